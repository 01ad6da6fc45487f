/**
 * What is known by its form: e-mail and network addresses, and long runs of digits. Each is looked for from a character
 * that it must have, within a bounded distance.
 */
import type { FindingKind, Span } from './detection.ts';
import { digitGroups } from './detect-digit-groups.ts';

const LOCAL_PART = /[\p{L}\p{N}\p{M}._%+'-]/u;
const DOMAIN_PART = /[\p{L}\p{N}\p{M}.-]/u;
const MAX_LOCAL = 64;
const MAX_DOMAIN = 190;
const SPELLED_EMAIL =
  /(?<![\w.+-])[\w.+-]{1,64} ?[([{] ?(?:at|@|arroba|ät|a) ?[)\]}] ?[\w-]{1,63}(?:(?: ?[([{] ?(?:dot|\.|punkt|punto|point) ?[)\]}] ?|\.)[\w-]{1,63}){1,4}|(?<![\w.+-])[\w.+-]{1,64} at [\w-]{1,63}(?: dot [\w-]{2,63}){1,3}(?![\w-])/giu;
const IPV4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)/g;
const IPV6 = /(?<![\w:.])[0-9a-fA-F:]{3,39}(?:\.\d{1,3}){0,4}(?![\w:])/g;
const MAC = /(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])/g;
const VERSION_BEFORE = /(?:version|release|\bv|build)[ :=]*$/i;
/** Shortest run of digits that is taken for the number of something. */
const LONG_NUMBER = 9;

export function findPatterns(text: string): Span[] {
  return [...emails(text), ...ipv4(text), ...ipv6(text), ...macs(text)];
}

function emails(text: string): Span[] {
  const spans: Span[] = [];
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < MAX_LOCAL && LOCAL_PART.test(text[start - 1] ?? '')) start--;
    let end = at + 1;
    while (end < text.length && end - at < MAX_DOMAIN && DOMAIN_PART.test(text[end] ?? '')) end++;
    const domain =
      /^[\p{L}\p{N}][\p{L}\p{N}\p{M}-]{0,62}(?:\.[\p{L}\p{N}\p{M}-]{1,63}){0,8}\.[\p{L}][\p{L}\p{M}-]{1,30}/u.exec(
        text.slice(at + 1, end),
      );
    while (start < at && /[.'-]/.test(text[start] ?? '')) start++;
    if (domain !== null && start < at) spans.push(pattern(start, at + 1 + domain[0].length, 'email', 0.99));
  }
  for (const match of text.matchAll(SPELLED_EMAIL)) {
    spans.push(pattern(match.index, match.index + match[0].length, 'email', 0.85));
  }
  return spans;
}

function ipv4(text: string): Span[] {
  return [...text.matchAll(IPV4)].flatMap((match) => {
    const bytes = match[0].split('.').map(Number);
    const meansNobody = bytes[0] === 127 || bytes[0] === 0 || bytes[0] === 255;
    if (bytes.some((byte) => byte > 255) || meansNobody) return [];
    if (VERSION_BEFORE.test(text.slice(Math.max(0, match.index - 12), match.index))) return [];
    return [pattern(match.index, match.index + match[0].length, 'ip', 0.9)];
  });
}

function ipv6(text: string): Span[] {
  return [...text.matchAll(IPV6)].flatMap((match) =>
    isIpv6(match[0]) ? [pattern(match.index, match.index + match[0].length, 'ip', 0.9)] : [],
  );
}

/** Eight groups, or fewer with one `::`; what is not an address of anybody (`::1`) or may be code (`a::b`) is left out. */
function isIpv6(text: string): boolean {
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return false;
  const groups = [head, tail ?? ''].flatMap((side) => (side === '' ? [] : side.split(':')));
  const embedded = groups.at(-1)?.includes('.') === true;
  const plain = embedded ? groups.slice(0, -1) : groups;
  if (!plain.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  const count = plain.length + (embedded ? 2 : 0);
  if (tail === undefined) return count === 8;
  return count >= 2 && count < 8 && /\d/.test(text) && head !== '' && head.split(':')[0]?.length === 4;
}

function macs(text: string): Span[] {
  return [...text.matchAll(MAC)].map((match) =>
    pattern(match.index, match.index + match[0].length, 'mac', 0.95),
  );
}

/**
 * Runs of many digits that nothing else has claimed: account and customer numbers, ids of countries without a recogniser.
 * Not fractions, and not numbers that are round.
 */
export function findLongNumbers(text: string): Span[] {
  const spans: Span[] = [];
  let free = 0;
  for (const { start, end, digits, layout, dotted } of digitGroups(text, LONG_NUMBER)) {
    if (start < free || (dotted && layout.split('-').length <= 2) || /0{5}$/.test(digits)) continue;
    if (
      /[.,]\d{0,3}$/.test(text.slice(Math.max(0, start - 4), start)) ||
      isDates(layout) ||
      isThousands(text, start, end)
    ) {
      continue;
    }
    free = end;
    spans.push(pattern(start, end, 'number', 0.5));
  }
  return spans;
}

/** Years and dates in a row, and dates with a time. */
function isDates(layout: string): boolean {
  return /^(?:4-)+4$|^(?:4-[12]-[12]|[12]-[12]-4)(?:-[0-9]+)*$/.test(layout);
}

function isThousands(text: string, start: number, end: number): boolean {
  return (
    /^\d{1,3}(?:([ .])\d{3})(?:\1\d{3})*$/.test(text.slice(start, end)) &&
    /[€$£¥%]|\bEUR|\bUSD/.test(text.slice(Math.max(0, start - 3), end + 4))
  );
}

function pattern(start: number, end: number, kind: FindingKind, confidence: number): Span {
  return { start, end, kind, source: 'pattern', confidence };
}
