/** The national numbers of eleven digits and more, each with its country's rule. */
import {
  digitsOf,
  isDate,
  luhn,
  mod11x10,
  part,
  remainder,
  toEleven,
  verhoeff,
  weighted,
} from './detect-checksums.ts';
import type { IdScheme } from './detect-short-ids.ts';

const last = (digits: string): number => Number(digits.at(-1));
const tenIsOne = (rest: number): number => (rest === 10 ? 1 : rest);

export const longIdSchemes: readonly IdScheme[] = [
  {
    country: 'PL',
    digits: 11,
    strong: true,
    layouts: [],
    test: (d) =>
      part(d, 2, 4) <= 32 &&
      isDate(part(d, 2, 4) % 20, part(d, 4, 6)) &&
      (weighted(d, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) + last(d)) % 10 === 0,
    words: /pesel/,
  },
  {
    country: 'BR',
    digits: 11,
    strong: true,
    layouts: ['3-3-3-2'],
    mixed: true,
    test: (d) =>
      toEleven(d, [10, 9, 8, 7, 6, 5, 4, 3, 2]) === Number(d[9]) &&
      toEleven(d, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) === last(d),
    words: /\bcpf\b/,
  },
  {
    country: 'BR',
    digits: 14,
    strong: true,
    layouts: ['2-3-3-4-2'],
    mixed: true,
    test: (d) =>
      toEleven(d, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) === Number(d[12]) &&
      toEleven(d, [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) === last(d),
    words: /\bcnpj\b/,
  },
  {
    country: 'NO',
    digits: 11,
    strong: true,
    layouts: ['6-5'],
    test: (d) =>
      isDate(part(d, 2, 4) % 40, part(d, 0, 2) % 40 || 40) &&
      weighted(d, [3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11 === 0 &&
      weighted(d, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0,
    words: /fødselsnummer|fodselsnummer|personnummer|d-nummer|norwegian/,
  },
  {
    country: 'BE',
    digits: 11,
    strong: true,
    layouts: ['2-2-2-3-2', '6-3-2'],
    mixed: true,
    test: (d) =>
      part(d, 2, 4) % 20 <= 12 &&
      part(d, 4, 6) <= 31 &&
      [part(d, 0, 9), 2_000_000_000 + part(d, 0, 9)].some((head) => 97 - (head % 97) === part(d, 9, 11)),
    words: /rijksregister|registre national|insz|niss\b/,
  },
  {
    country: 'DE',
    digits: 11,
    strong: false,
    layouts: ['2-3-3-3'],
    telling: true,
    test: (d) => isGermanTaxId(d) && mod11x10(d),
    words:
      /steuer-?id|steueridentifikation|steuerliche identifikation|\bidnr\b|identifikationsnummer|german tax/,
  },
  {
    country: 'TR',
    digits: 11,
    strong: true,
    layouts: [],
    test: isTurkish,
    words: /\btc\b|t\.c\.|kimlik|tckn/,
  },
  {
    country: 'HR',
    digits: 11,
    strong: false,
    layouts: [],
    test: mod11x10,
    words: /\boib\b/,
  },
  {
    country: 'EE',
    digits: 11,
    strong: false,
    layouts: [],
    telling: true,
    test: (d) => /^[1-6]/.test(d) && isDate(part(d, 3, 5), part(d, 5, 7)) && baltic(d) === last(d),
    words: /isikukood|asmens kodas/,
  },
  {
    country: 'GR',
    digits: 11,
    strong: false,
    layouts: [],
    telling: true,
    test: (d) => isDate(part(d, 2, 4), part(d, 0, 2)) && luhn(d),
    words: /αμκα|\bamka\b/,
  },
  {
    country: 'AR',
    digits: 11,
    strong: false,
    layouts: ['2-8-1'],
    telling: true,
    test: (d) =>
      /^(?:2[03-7]|3[034])/.test(d) &&
      (11 - (weighted(d, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11 === last(d),
    words: /\bcui[tl]\b/,
  },
  {
    country: 'IN',
    digits: 12,
    strong: false,
    layouts: ['4-4-4'],
    telling: true,
    test: (d) => /^[2-9]/.test(d) && verhoeff(d),
    words: /aadha+r|uidai|आधार/,
  },
  {
    country: 'JP',
    digits: 12,
    strong: false,
    layouts: ['4-4-4'],
    test: (d) => toEleven(d, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) === last(d),
    words: /マイナンバー|個人番号|my ?number/,
  },
  {
    country: 'KR',
    digits: 13,
    strong: false,
    layouts: ['6-7'],
    telling: true,
    test: (d) =>
      isDate(part(d, 2, 4), part(d, 4, 6)) &&
      (11 - (weighted(d, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11)) % 10 === last(d),
    words: /주민등록|주민번호|외국인등록/,
  },
  {
    country: 'ZA',
    digits: 13,
    strong: true,
    layouts: ['6-4-2-1', '6-4-3'],
    test: (d) => isDate(part(d, 2, 4), part(d, 4, 6)) && /^.{10}[012]/.test(d) && luhn(d),
    words: /\bid (?:number|no)|identity number|south africa/,
  },
  {
    country: 'RO',
    digits: 13,
    strong: true,
    layouts: [],
    test: (d) =>
      /^[1-9]/.test(d) &&
      isDate(part(d, 3, 5), part(d, 5, 7)) &&
      tenIsOne(weighted(d, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11) === last(d),
    words: /\bcnp\b/,
  },
  {
    country: 'CH',
    digits: 13,
    strong: true,
    layouts: ['3-4-4-2'],
    test: (d) => d.startsWith('756') && weighted(d, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 === 0,
    words: /\bahv\b|\bavs\b/,
  },
  {
    country: 'FR',
    digits: 15,
    strong: true,
    layouts: ['1-2-2-2-3-3-2', '13-2', '1-2-2-2-6-2'],
    test: (d) =>
      /^[1-478]\d{2}(?:0[1-9]|1[0-2]|[23]\d|4[0-2]|[5-9]\d)/.test(d) &&
      97 - remainder(d.slice(0, 13), 97) === part(d, 13, 15),
    words: /sécurité sociale|securite sociale|\bnir\b|carte vitale|numéro de sécu/,
  },
  {
    country: 'CN',
    digits: 18,
    strong: true,
    layouts: ['6-8-4'],
    test: isChinese,
    words: /身份证/,
  },
];

/** Of the first ten digits one is there twice or three times, and the others at most once. */
function isGermanTaxId(digits: string): boolean {
  const counts = Array.from('0123456789', (digit) => digits.slice(0, 10).split(digit).length - 1);
  return (
    !digits.startsWith('0') && counts.filter((count) => count > 1).length === 1 && Math.max(...counts) <= 3
  );
}

function isTurkish(digits: string): boolean {
  const d = digitsOf(digits);
  const at = (place: number): number => d[place] ?? 0;
  const odd = at(0) + at(2) + at(4) + at(6) + at(8);
  const even = at(1) + at(3) + at(5) + at(7);
  const tenth = (((odd * 7 - even) % 10) + 10) % 10;
  return at(0) !== 0 && tenth === at(9) && (odd + even + at(9)) % 10 === at(10);
}

/** Estonia and Lithuania: a second row of weights where the first leaves ten. */
function baltic(digits: string): number {
  const first = weighted(digits, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
  return first < 10 ? first : (weighted(digits, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11) % 10;
}

/** GB 11643: a region, a date of birth, and a check digit that may be X for ten. */
export function isChinese(text: string): boolean {
  const [year, month, day] = [part(text, 6, 10), part(text, 10, 12), part(text, 12, 14)];
  const sum = weighted(text, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
  return (
    /^[1-9]/.test(text) &&
    year >= 1900 &&
    year < 2100 &&
    isDate(month, day, year) &&
    '10X98765432'[sum % 11] === text[17]
  );
}
