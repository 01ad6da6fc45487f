/** The national numbers of nine and ten digits, each with its country's rule. */
import { eleventh, isDate, luhn, part, remainder, toEleven, weighted } from './detect-checksums.ts';

export interface IdScheme {
  readonly country: string;
  readonly digits: number;
  /** Whether chance passes less than about one number in a hundred. */
  readonly strong: boolean;
  /** Sizes of the groups it is written in. */
  readonly layouts: readonly string[];
  /** What may part two groups, where that tells it from others of the same layout. */
  readonly partedBy?: string;
  /** Whether its groups are parted by different characters. */
  readonly mixed?: boolean;
  /** Whether the layout alone says what it is, where the rule is weak. */
  readonly telling?: boolean;
  /** Whether it has no check digit: it is a pattern then. */
  readonly unchecked?: boolean;
  readonly test: (digits: string) => boolean;
  /** Words beside it, in lower case. */
  readonly words: RegExp;
}

const century = (short: number): number => (short < 30 ? 2000 : 1900) + short;

export const shortIdSchemes: readonly IdScheme[] = [
  {
    country: 'US',
    digits: 9,
    strong: false,
    layouts: ['3-2-4'],
    telling: true,
    unchecked: true,
    test: (d) =>
      part(d, 0, 3) > 0 &&
      part(d, 0, 3) !== 666 &&
      part(d, 0, 3) < 900 &&
      part(d, 3, 5) > 0 &&
      part(d, 5, 9) > 0,
    words: /\bssn\b|social security|\bss ?#|\btax ?id\b|\bitin\b/,
  },
  {
    country: 'NL',
    digits: 9,
    strong: false,
    layouts: ['4-2-3', '3-3-3'],
    test: (d) => weighted(d, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0,
    words: /\bbsn\b|burgerservice|sofi-?n|persoonsnummer|dutch (?:id|citizen)/,
  },
  {
    country: 'PT',
    digits: 9,
    strong: false,
    layouts: ['3-3-3'],
    test: (d) => /^[1235689]/.test(d) && toEleven(d, [9, 8, 7, 6, 5, 4, 3, 2]) === Number(d.at(-1)),
    words: /\bnif\b|contribuinte|\bn\.?i\.?f\.?\b|identificação fiscal|portuguese tax/,
  },
  {
    country: 'CA',
    digits: 9,
    strong: false,
    layouts: ['3-3-3'],
    test: (d) => /^[1-79]/.test(d) && luhn(d),
    words: /\bsin\b|social insurance|assurance sociale|\bnas\b/,
  },
  {
    country: 'AU',
    digits: 9,
    strong: false,
    layouts: ['3-3-3'],
    test: (d) => weighted(d, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0,
    words: /\btfn\b|tax file/,
  },
  {
    country: 'GR',
    digits: 9,
    strong: false,
    layouts: [],
    test: (d) => eleventh(d, [256, 128, 64, 32, 16, 8, 4, 2]) === Number(d.at(-1)),
    words: /αφμ|α\.φ\.μ|\bafm\b/,
  },
  {
    country: 'GB',
    digits: 10,
    strong: false,
    layouts: ['3-3-4'],
    test: (d) => weighted(d, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0,
    words: /\bnhs\b|national health/,
  },
  {
    country: 'SE',
    digits: 10,
    strong: false,
    layouts: ['6-4'],
    partedBy: '- ',
    telling: true,
    test: (d) => isDate(part(d, 2, 4), part(d, 4, 6) % 60 || 60) && luhn(d),
    words: /personnummer|personnr|samordningsnummer|swedish/,
  },
  {
    country: 'SE',
    digits: 12,
    strong: true,
    layouts: ['8-4'],
    partedBy: '- ',
    test: (d) => /^(?:19|20)/.test(d) && isDate(part(d, 4, 6), part(d, 6, 8) % 60 || 60) && luhn(d.slice(2)),
    words: /personnummer|personnr|samordningsnummer|swedish/,
  },
  {
    country: 'DK',
    digits: 10,
    strong: false,
    layouts: ['6-4'],
    partedBy: '- ',
    telling: true,
    unchecked: true,
    test: (d) => isDate(part(d, 2, 4), part(d, 0, 2), century(part(d, 4, 6))),
    words: /\bcpr\b|personnummer|danish/,
  },
  {
    country: 'AT',
    digits: 10,
    strong: false,
    layouts: ['4-6'],
    telling: true,
    test: (d) =>
      isDate(part(d, 6, 8), part(d, 4, 6)) &&
      weighted(d, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 === Number(d[3]) &&
      !d.startsWith('0'),
    words: /\bsvnr\b|sv-?nummer|sozialversicherung|versicherungsnummer/,
  },
  {
    country: 'CZ',
    digits: 10,
    strong: false,
    layouts: ['6-4'],
    partedBy: '/ ',
    telling: true,
    test: (d) => isDate(part(d, 2, 4) % 50, part(d, 4, 6)) && remainder(d, 11) === 0,
    words: /rodné číslo|rodne cislo|\brč\b/,
  },
  {
    country: 'BG',
    digits: 10,
    strong: false,
    layouts: [],
    telling: true,
    test: (d) =>
      isDate(part(d, 2, 4) % 20, part(d, 4, 6)) &&
      eleventh(d, [2, 4, 8, 5, 10, 9, 7, 3, 6]) === Number(d.at(-1)),
    words: /егн|\begn\b/,
  },
];
