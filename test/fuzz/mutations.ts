/**
 * Seeded damage to model files: to their bytes, as a bad disk or a liar would do it, and to single metadata entries,
 * as a bad converter would. The same seed gives the same file.
 */
import type { Entry } from '../models/gguf-writer.ts';
import type { Random } from '../models/random.ts';

/** Counts and lengths that break readers: none, one, the ends of each width, and what looks harmless but is not. */
export const NUMBERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  255n,
  4096n,
  65_536n,
  // As many as a header may have bytes, nearly: too many if each is larger than a byte.
  0x3f0_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  1n << 40n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)]!;
}

/** Where a count or a length may stand: every place with a 64-bit number that is small. */
export function smallNumbersOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length - 8 }, (_, at) => at).filter(
    (at) => view.getBigUint64(at, true) <= 4096n,
  );
}

type Damage = (bytes: Uint8Array, random: Random) => Uint8Array;

const flipBits: Damage = (bytes, random) => {
  for (let count = 1 + random.below(4); count > 0; count--) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return bytes;
};

const overwriteNumber: Damage = (bytes, random) => {
  const wide = random.below(2) === 1;
  const at = random.below(bytes.length - 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const value = pick(random, NUMBERS);
  if (wide) view.setBigUint64(at, value, true);
  else view.setUint32(at, Number(value & 0xffff_ffffn), true);
  return bytes;
};

const scribble: Damage = (bytes, random) => {
  const at = random.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.below(40));
  for (let i = at; i < end; i++) bytes[i] = random.below(256);
  return bytes;
};

const truncate: Damage = (bytes, random) => bytes.subarray(0, random.below(bytes.length));

const cutOut: Damage = (bytes, random) => {
  const from = random.below(bytes.length);
  const to = Math.min(bytes.length, from + 1 + random.below(64));
  return join(bytes.subarray(0, from), bytes.subarray(to));
};

const repeat: Damage = (bytes, random) => {
  const from = random.below(bytes.length);
  const to = Math.min(bytes.length, from + 1 + random.below(200));
  return join(bytes.subarray(0, to), bytes.subarray(from));
};

const DAMAGES: readonly Damage[] = [
  flipBits,
  overwriteNumber,
  overwriteNumber,
  scribble,
  truncate,
  cutOut,
  repeat,
];

/** A damaged copy, of any length. */
export function damageBytes(bytes: Uint8Array, random: Random): Uint8Array {
  return pick(random, DAMAGES)(bytes.slice(), random);
}

function join(before: Uint8Array, after: Uint8Array): Uint8Array {
  const joined = new Uint8Array(before.length + after.length);
  joined.set(before);
  joined.set(after, before.length);
  return joined;
}

const TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  'Ġ',
  '🦀'.repeat(50),
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  '{% for m in messages %}',
  '{{ messages[0].content.split("") | join(raise_exception) }}',
];

/** Entries of every type with odd values. */
const ENTRIES: readonly ((random: Random) => Entry)[] = [
  (random) => ({ u32: Number(pick(random, NUMBERS) & 0xffff_ffffn) }),
  (random) => ({ u64: pick(random, NUMBERS) }),
  (random) => ({ i32: Number(BigInt.asIntN(32, pick(random, NUMBERS))) }),
  (random) => ({ f32: pick(random, [0, -0, -1, 1e-45, 3e38, NaN, Infinity, -Infinity, 0.5]) }),
  (random) => ({ bool: random.below(2) === 1 }),
  (random) => ({ string: pick(random, TEXTS) }),
  (random) => ({ strings: Array.from({ length: random.below(6) }, () => pick(random, TEXTS)) }),
  (random) => ({ f32s: Array.from({ length: random.below(6) }, () => pick(random, [0, -1, NaN, 1e30])) }),
  (random) => ({ i32s: Array.from({ length: random.below(6) }, () => random.below(2 ** 32) - 2 ** 31) }),
];

/** `entry` with one or a few of its items changed, or another entry altogether. */
function damageEntry(entry: Entry, random: Random): Entry {
  if ('strings' in entry && entry.strings.length > 0 && random.below(4) > 0) {
    const strings = [...entry.strings];
    const at = random.below(strings.length);
    const damages: readonly (() => void)[] = [
      () => (strings[at] = pick(random, TEXTS)),
      () => (strings[at] = pick(random, strings)),
      () => (strings.length = at),
      () => strings.push(...strings.slice(at)),
      () => strings.splice(at, 1),
      () => strings.reverse(),
    ];
    pick(random, damages)();
    return { strings };
  }
  if ('i32s' in entry && entry.i32s.length > 0 && random.below(4) > 0) {
    const i32s = [...entry.i32s];
    const at = random.below(i32s.length);
    if (random.below(3) === 0) i32s.length = at;
    else i32s[at] = pick(random, [-1, 0, 1, 2, 3, 4, 5, 6, 7, 2 ** 31 - 1, -(2 ** 31)]);
    return { i32s };
  }
  if ('string' in entry && random.below(3) > 0) return { string: damageText(entry.string, random) };
  return pick(random, ENTRIES)(random);
}

/** A copy in which one to three entries are missing or wrong. */
export function damageEntries(
  metadata: Readonly<Record<string, Entry>>,
  random: Random,
): Record<string, Entry> {
  const copy = { ...metadata };
  for (let count = 1 + random.below(3); count > 0; count--) {
    const key = pick(random, Object.keys(copy));
    if (random.below(6) === 0) delete copy[key];
    else copy[key] = damageEntry(copy[key]!, random);
  }
  return copy;
}

/** Pieces of the text dropped, doubled, swapped or written over. */
export function damageText(text: string, random: Random): string {
  const from = random.below(text.length + 1);
  const to = Math.min(text.length, from + 1 + random.below(12));
  const piece = text.slice(from, to);
  const replacement = pick(random, [
    '',
    piece + piece,
    pick(random, TEXTS),
    String(NUMBERS[random.below(8)]),
  ]);
  return text.slice(0, from) + replacement + text.slice(to);
}
