/**
 * Text inside base64, hexadecimal and percent encoding. What decodes to text that can be read is looked at again, as deep
 * as `MAX_DEPTH`; anything else (images, hashes) is left alone.
 */
import type { FindingEncoding } from './detection.ts';

export interface Encoded {
  readonly start: number;
  readonly end: number;
  readonly encoding: FindingEncoding;
  readonly decoded: string;
}

export const MAX_DEPTH = 3;

/** Lines of one block of base64, as mail and keys have them. */
const BASE64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{8,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}/g;
const BASE64_LINE = 60;
const HEX = /(?<![0-9A-Za-z])(?:(?:\\x|0x|%)?[0-9A-Fa-f]{2}[ :,-]?){5,}/g;
/** What an address or a form consists of: only the part that is encoded is masked. */
const URL_PART = /[^\s?&=;/"'<>#,()[\]{}]+/g;
const PERCENT = /%[0-9A-Fa-f]{2}/;
const FEWEST_LETTERS = 5;

/** Ascending by kind; spans of different kinds may overlap. */
export function findEncoded(text: string): Encoded[] {
  return [...base64(text), ...hex(text), ...percent(text)];
}

function base64(text: string): Encoded[] {
  return [...text.matchAll(BASE64)].flatMap((match) => {
    const found: Encoded[] = [];
    for (const { start, token } of tokens(match[0])) {
      const decoded = decodeBase64(token);
      if (decoded === null) continue;
      const from = match.index + start;
      found.push({ start: from, end: from + token.length, encoding: 'base64', decoded });
      if (start === 0 && token.length === match[0].length) break;
    }
    return found;
  });
}

/** The whole run; or its lines, where the lines are too short for a block; or the parts of a path. */
function tokens(run: string): { start: number; token: string }[] {
  const lines = run.split('\n');
  const isBlock = lines.slice(0, -1).every((line) => line.length >= BASE64_LINE);
  const whole = isBlock ? [{ start: 0, token: run }] : [];
  const parts = [...run.matchAll(/[^\r\n/_-]{8,}/g)].map((part) => ({ start: part.index, token: part[0] }));
  const byLine =
    lines.length > 1
      ? [...run.matchAll(/[^\r\n]{8,}/g)].map((line) => ({ start: line.index, token: line[0] }))
      : [];
  return [...whole, ...byLine, ...parts];
}

function decodeBase64(token: string): string | null {
  const compact = token
    .replaceAll(/[\r\n=]/g, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/');
  if (compact.length % 4 === 1) return null;
  return readable(Uint8Array.from(atob(compact), (character) => character.charCodeAt(0)));
}

function hex(text: string): Encoded[] {
  return [...text.matchAll(HEX)].flatMap((match) => {
    const pairs = match[0].replaceAll(/\\x|0x|[^0-9A-Fa-f]/g, '').match(/../g) ?? [];
    const decoded = readable(Uint8Array.from(pairs, (pair) => parseInt(pair, 16)));
    const end = match.index + match[0].replace(/[ :,-]$/, '').length;
    return decoded === null ? [] : [{ start: match.index, end, encoding: 'hex' as const, decoded }];
  });
}

function percent(text: string): Encoded[] {
  if (!text.includes('%')) return [];
  return [...text.matchAll(URL_PART)]
    .filter(([part]) => PERCENT.test(part))
    .map((match) => ({
      start: match.index,
      end: match.index + match[0].length,
      encoding: 'url' as const,
      decoded: decodePercent(match[0]),
    }));
}

/** Sequences that are not UTF-8 are left as they are, so that a single wrong one hides nothing. */
function decodePercent(text: string): string {
  return text.replaceAll('+', ' ').replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    const bytes = Uint8Array.from(run.match(/[0-9A-Fa-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
    return new TextDecoder('utf-8').decode(bytes);
  });
}

/** The text, if nearly all of it can be read. */
function readable(bytes: Uint8Array<ArrayBuffer>): string | null {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
  const strange = text.match(/[^\p{L}\p{M}\p{N}\p{P}\p{S}\s]/gu)?.length ?? 0;
  return text.length >= FEWEST_LETTERS && strange === 0 ? text : null;
}
