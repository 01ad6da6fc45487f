/**
 * What must not be on the wire, and every way in which it is hidden there: each canary is drawn for one conversation and
 * stands nowhere else. How it is hidden here, and how it is looked for in leaks.ts, is written apart from the library.
 */
import type { Random } from '../../models/random.ts';

export interface Canary {
  kind: 'code' | 'sentence' | 'term' | 'card' | 'iban';
  text: string;
}

const WORDS =
  'amber anvil badger barley basalt beacon bramble candle canyon cedar cinder clover cobalt copper cricket ' +
  'dapple ember fallow falcon fennel flint garnet gravel hazel heron hollow indigo ivory jasper juniper kelp ' +
  'lantern larch linden magnet marble meadow mossy nettle nimble oaken ochre onyx osprey pebble pewter plover ' +
  'quarry quartz raven russet saffron sable sorrel spruce sturdy tallow thistle timber umber velvet walnut wicker';
const NOUNS = WORDS.split(' ');
const CONSONANTS = 'bdfgkmnprstvz';
const VOWELS = 'aeou';

export function pick<T>(random: Random, from: readonly T[]): T {
  const picked = from[random.below(from.length)];
  if (picked === undefined) throw new Error('nothing to pick from');
  return picked;
}

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('');

/** As of a key or an order: sixteen letters and digits. */
export function drawCode(random: Random): Canary {
  const letters = (): string => times(4, () => pick(random, [...CONSONANTS]));
  const digits = (): string => times(4, () => String(2 + random.below(8)));
  return { kind: 'code', text: letters() + digits() + letters() + digits() };
}

/** Eight words that nobody said before. */
export function drawSentence(random: Random): Canary {
  return { kind: 'sentence', text: Array.from({ length: 8 }, () => pick(random, NOUNS)).join(' ') };
}

/** A name that the user calls their own. */
export function drawTerm(random: Random): Canary {
  const name = times(10, (i) => pick(random, [...(i % 2 === 0 ? CONSONANTS : VOWELS)]));
  return { kind: 'term', text: name[0]?.toUpperCase() + name.slice(1) };
}

/** Sixteen digits of a Visa card, the last one from Luhn's formula. */
export function drawCard(random: Random): Canary {
  const digits = `4${times(14, () => String(random.below(10)))}`;
  const sum = [...digits].reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return { kind: 'card', text: digits + String((10 - (sum % 10)) % 10) };
}

/** A German account. */
export function drawIban(random: Random): Canary {
  const account = `${1 + random.below(9)}${times(17, () => String(random.below(10)))}`;
  const rest = [...`${account}131400`].reduce((left, digit) => (left * 10 + Number(digit)) % 97, 0);
  return { kind: 'iban', text: `DE${String(98 - rest).padStart(2, '0')}${account}` };
}

const LOOKALIKES: Record<string, string> = {
  a: 'а',
  c: 'с',
  e: 'е',
  o: 'о',
  p: 'р',
  x: 'х',
  y: 'у',
  i: 'і',
  s: 'ѕ',
};
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

/** Wide digits, and letters of another alphabet. */
export function disguise(text: string): string {
  return [...text]
    .map((one) => LOOKALIKES[one] ?? (/\d/.test(one) ? String.fromCharCode(one.charCodeAt(0) + 0xfee0) : one))
    .join('');
}

/** One text in one way; what is split comes as several. */
export const DISGUISES: Record<string, (text: string) => string[]> = {
  plain: (text) => [text],
  capitals: (text) => [text.toUpperCase()],
  base64: (text) => [utf8(text).toString('base64')],
  'base64 within a text': (text) => [utf8(`It is ${text}, they say.`).toString('base64')],
  hex: (text) => [utf8(text).toString('hex')],
  url: (text) => [[...utf8(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')],
  reversed: (text) => [[...text].toReversed().join('')],
  homoglyphs: (text) => [disguise(text)],
  invisible: (text) => [[...text].join('\u200b')],
  split: (text) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)],
};
