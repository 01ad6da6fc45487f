/**
 * Runs of digits with separators between them, as people write long numbers: `4111 1111 1111 1111`, `85.07.30-033.28`. A
 * candidate begins and ends at the edges of groups, so that the work is linear in the text: from each group at most
 * `MAX_GROUPS` further ones.
 */

export interface DigitGroups {
  readonly start: number;
  readonly end: number;
  readonly digits: string;
  /** The sizes of the groups, as `3-2-4`. */
  readonly layout: string;
  /** What parts the first group from the second. */
  readonly separator: string | null;
  /** Whether all groups are parted by the same. */
  readonly even: boolean;
  /** Whether some groups are parted by dots only, as in decimal fractions. */
  readonly dotted: boolean;
  /** Whether it is a part of what goes on in the same way: `1234-5678-9012` in `1234-5678-9012-3456`. */
  readonly flanked: boolean;
}

interface Group {
  start: number;
  end: number;
  /** What parts it from the next; null where that is too far away. */
  separator: string | null;
  /** Whether a letter stands right before it. */
  glued: boolean;
}

const MAX_GROUPS = 24;
const MAX_DIGITS = 24;
const LETTER = /[A-Za-z]/;
const SEPARATOR = /^(?:[ .\-/_\t\u00b7]|\r?\n| ?[-/.] ?| {2})$/;
const MAX_SEPARATOR = 3;
const LONG_GROUP = 3;

/** Every candidate of at least `fewest` digits, the longest of each start first. */
export function* digitGroups(text: string, fewest: number): Generator<DigitGroups> {
  for (const chain of chainsOf(text)) {
    for (let first = 0; first < chain.length; first++) yield* candidatesFrom(text, chain, first, fewest);
  }
}

function* candidatesFrom(
  text: string,
  chain: Group[],
  first: number,
  fewest: number,
): Generator<DigitGroups> {
  const found: DigitGroups[] = [];
  const start = chain[first]!.start;
  // Only at the ends of a chain can there be letters: between groups there are separators.
  if (chain[first]!.glued) return;
  let digits = '';
  let layout = '';
  let even = true;
  let dotted = false;
  for (let last = first; last < Math.min(chain.length, first + MAX_GROUPS); last++) {
    const group = chain[last]!;
    const size = group.end - group.start;
    if (digits.length + size > MAX_DIGITS) break;
    if (last > first) {
      const { separator } = chain[last - 1]!;
      even &&= separator === chain[first]!.separator;
      dotted ||= separator === '.';
    }
    digits += text.slice(group.start, group.end);
    layout += last > first ? `-${size}` : String(size);
    if (digits.length < fewest) continue;
    if (last === chain.length - 1 && LETTER.test(text[group.end] ?? '')) continue;
    const flanked = goesOn(chain, first, last);
    const separator = first === last ? null : chain[first]!.separator;
    found.push({ start, end: group.end, digits, layout, separator, even, dotted, flanked });
  }
  yield* found.reverse();
}

/** Whether the group before or behind is parted in the same way, and long enough not to be a date or an expiry. */
function goesOn(chain: readonly Group[], first: number, last: number): boolean {
  const inside = first === last ? null : chain[first]!.separator;
  const [before, after] = [chain[first - 1], chain[last + 1]];
  const isSame = (separator: string | null): boolean =>
    inside === null ? separator !== null && /^[-./]$/.test(separator) : separator === inside;
  const isLong = (group: Group): boolean => group.end - group.start >= LONG_GROUP;
  return (
    (before !== undefined && isLong(before) && isSame(before.separator)) ||
    (after !== undefined && isLong(after) && isSame(chain[last]!.separator)) ||
    // Letters before the first group: an account number of which this is the rest.
    (before !== undefined && first === 1 && before.glued && isSame(before.separator))
  );
}

/** Groups that only separators part. */
function* chainsOf(text: string): Generator<Group[]> {
  let chain: Group[] = [];
  for (const match of text.matchAll(/[0-9]+/g)) {
    const start = match.index;
    const before = chain.at(-1);
    if (before !== undefined) {
      const between = text.slice(before.end, Math.min(start, before.end + MAX_SEPARATOR + 1));
      if (between.length <= MAX_SEPARATOR && SEPARATOR.test(between)) before.separator = between;
      else {
        yield chain;
        chain = [];
      }
    }
    chain.push({
      start,
      end: start + match[0].length,
      separator: null,
      glued: LETTER.test(text[start - 1] ?? ''),
    });
  }
  if (chain.length > 0) yield chain;
}
