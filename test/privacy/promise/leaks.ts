/**
 * Looks for canaries in what was sent, by itself: what an endpoint could read, in each of the listed ways, is compared with
 * each canary's letters. Half of a code is a leak too, and so are twenty-four letters of a sentence.
 */
import { DISGUISES, disguise } from './canaries.ts';
import type { Canary } from './canaries.ts';

export interface Leak {
  canary: Canary;
  way: string;
}

/** `sent`: addresses, headers and bodies, or whatever else must be clean. */
export function findLeaks(sent: readonly string[], canaries: readonly Canary[]): Leak[] {
  const texts = sent.flatMap(readingsOf);
  return canaries.flatMap((canary) =>
    needlesOf(canary)
      .filter(({ needle }) => texts.some((text) => text.includes(needle)))
      .map(({ way }) => ({ canary, way })),
  );
}

/** A body as it is, its strings one after the other, and each by itself; folded, and squeezed as they are. */
function readingsOf(sent: string): string[] {
  const strings: string[] = [];
  try {
    JSON.parse(sent, (_, value: unknown) => {
      if (typeof value === 'string' && !['user', 'text', 'system', 'assistant', 'tool'].includes(value))
        strings.push(value);
      return value;
    });
  } catch {
    // It is no JSON.
  }
  const decoded = decodeURIComponent(sent.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  return [sent, decoded, strings.join('')].flatMap((text) => [squeeze(text), fold(text)]);
}

function squeeze(text: string): string {
  return text.replace(/[\s\u200b"',.:;{}[\]\\]/g, '');
}

const UNDISGUISED = new Map([...'aceopxyis0123456789'].map((one) => [disguise(one), one]));

function fold(text: string): string {
  return [...text]
    .map((one) => UNDISGUISED.get(one) ?? one)
    .join('')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}

interface Needle {
  way: string;
  needle: string;
}

function needlesOf({ kind, text }: Canary): Needle[] {
  const pieces = kind === 'sentence' ? [text.slice(0, 32), text.slice(-32)] : [text];
  if (kind === 'code') pieces.push(text.slice(0, 8), text.slice(8));
  return pieces
    .flatMap((piece) => [
      { way: 'plain', needle: fold(piece) },
      { way: 'reversed', needle: [...fold(piece)].toReversed().join('') },
      { way: 'hex', needle: Buffer.from(piece).toString('hex') },
      ...[0, 1, 2].map((offset) => ({ way: 'base64', needle: coreOf(piece, offset) })),
    ])
    .filter(({ needle }) => needle.length >= 8);
}

/** What base64 says of a text that begins at this offset of a group, without what its neighbours decide. */
function coreOf(text: string, offset: number): string {
  const whole = Buffer.from('\0'.repeat(offset) + text).toString('base64');
  const start = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + Buffer.byteLength(text)) * 8) / 6);
  return squeeze(whole.slice(start, end));
}

/** That it finds what is there, in every way: else finding nothing would mean nothing. */
export function canFind(canary: Canary, way: string): boolean {
  const hidden = DISGUISES[way]?.(canary.text) ?? [];
  const body = JSON.stringify({
    messages: hidden.map((content) => ({ role: 'user', content: `So: ${content}` })),
  });
  const joined = JSON.stringify({ messages: hidden.map((content) => ({ role: 'user', content })) });
  return findLeaks([body], [canary]).length > 0 || findLeaks([joined], [canary]).length > 0;
}
