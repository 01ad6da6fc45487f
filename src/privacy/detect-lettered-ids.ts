/** The national numbers that have letters in them. Texts are in capitals, `compact` is without separators. */
import { digitsOf, isDate, part, remainder, weighted } from './detect-checksums.ts';
import { isChinese } from './detect-long-ids.ts';

export interface LetteredScheme {
  readonly country: string;
  /** Bounded, and begins where no letter or digit is before it. */
  readonly pattern: RegExp;
  readonly strong: boolean;
  /** Whether it has no check digit: it is a pattern then. */
  readonly unchecked?: boolean;
  readonly test: (compact: string, written: string) => boolean;
  readonly words: RegExp;
}

const SPANISH_LETTERS = 'TRWAGMYFPDXBNJZSQVHLCKE';
const FINNISH_LETTERS = '0123456789ABCDEFHJKLMNPRSTUVWXY';
/** What a letter or digit counts at an odd place of an Italian code, from 0 and A. */
const ITALIAN_ODD = [
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

export const letteredSchemes: readonly LetteredScheme[] = [
  {
    country: 'ES',
    pattern:
      /(?<![0-9A-Z])(?:[XYZ][ -]?[0-9]{7}|[0-9]{8}|[0-9]{1,2}\.[0-9]{3}\.[0-9]{3})[ -]?[A-HJ-NP-TV-Z](?![0-9A-Z])/g,
    strong: true,
    test: (id) => {
      const digits = id.slice(0, -1).replace(/^[XYZ]/, (letter) => String('XYZ'.indexOf(letter)));
      return SPANISH_LETTERS[Number(digits) % 23] === id.at(-1);
    },
    words: /\bdni\b|\bnie\b|\bnif\b/,
  },
  {
    country: 'IT',
    pattern:
      /(?<![0-9A-Z])[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2} ?[A-Z][0-9LMNP-V]{3} ?[A-Z](?![0-9A-Z])/g,
    strong: true,
    test: isItalian,
    words: /codice fiscale/,
  },
  {
    country: 'FR',
    pattern: /(?<![0-9A-Z])[12] ?[0-9]{2} ?[0-9]{2} ?2[AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9A-Z])/g,
    strong: true,
    test: (id) => {
      const head = Number(id.slice(0, 13).replace(/[AB]/, '0')) - (id.includes('A') ? 1_000_000 : 2_000_000);
      return 97 - (head % 97) === part(id, 13, 15);
    },
    words: /sécurité sociale|\bnir\b/,
  },
  {
    country: 'FI',
    pattern: /(?<![0-9A-Z])[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y](?![0-9A-Z])/g,
    strong: true,
    test: (_, id) =>
      isDate(part(id, 2, 4), part(id, 0, 2)) &&
      FINNISH_LETTERS[part(id.slice(0, 6) + id.slice(7, 10), 0, 9) % 31] === id.at(-1),
    words: /henkilötunnus|\bhetu\b/,
  },
  {
    country: 'SE',
    pattern: /(?<![0-9A-Z])[0-9]{6}\+[0-9]{4}(?![0-9A-Z])/g,
    strong: false,
    unchecked: true,
    test: (id) => isDate(part(id, 2, 4), part(id, 4, 6)),
    words: /personn/,
  },
  {
    country: 'CN',
    pattern: /(?<![0-9A-Z])[1-9][0-9]{5} ?(?:19|20)[0-9]{6} ?[0-9]{3}X(?![0-9A-Z])/g,
    strong: true,
    test: isChinese,
    words: /身份证/,
  },
  {
    country: 'GB',
    pattern:
      /(?<![0-9A-Z])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![0-9A-Z])/g,
    strong: true,
    unchecked: true,
    test: (id) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(id),
    words: /national insurance|\bnino?\b/,
  },
  {
    country: 'IE',
    pattern: /(?<![0-9A-Z])[0-9]{7}[A-W][A-IW]?(?![0-9A-Z])/g,
    strong: true,
    test: (id) => {
      const second = id.length === 9 && !id.endsWith('W') ? id.charCodeAt(8) - 64 : 0;
      const rest = (weighted(id, [8, 7, 6, 5, 4, 3, 2]) + second * 9) % 23;
      return 'WABCDEFGHIJKLMNOPQRSTUV'[rest] === id[7];
    },
    words: /\bpps/,
  },
  {
    country: 'CL',
    pattern: /(?<![0-9A-Z])(?:[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}|[0-9]{7,8}) ?- ?[0-9K](?![0-9A-Z])/g,
    strong: true,
    test: (id) => {
      const digits = digitsOf(id.slice(0, -1)).toReversed();
      const sum = digits.reduce((total, digit, at) => total + digit * ((at % 6) + 2), 0);
      return '0K987654321'[sum % 11] === id.at(-1);
    },
    words: /\bru[tn]\b/,
  },
  {
    country: 'MX',
    pattern:
      /(?<![0-9A-Z])[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9](?![0-9A-Z])/g,
    strong: true,
    test: (id) => isDate(part(id, 6, 8), part(id, 8, 10)) && isMexican(id),
    words: /\bcurp\b/,
  },
  {
    country: 'IN',
    pattern: /(?<![0-9A-Z])[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z](?![0-9A-Z])/g,
    strong: true,
    unchecked: true,
    test: () => true,
    words: /\bpan\b|permanent account/,
  },
  {
    country: 'PL',
    pattern: /(?<![0-9A-Z])[A-Z]{3} ?[0-9]{6}(?![0-9A-Z])/g,
    strong: false,
    test: (id) => weighted(digitsOfLettered(id), [7, 3, 1, 9, 7, 3, 1, 7, 3]) % 10 === 0,
    words: /dow(?:ód|od|odu) osobist|nr dowodu/,
  },
  {
    country: 'BE',
    pattern: /(?<![0-9A-Z])[0-9]{3}-[0-9]{7}-[0-9]{2}(?![0-9A-Z])/g,
    strong: true,
    test: (id) => (remainder(id.slice(0, 10), 97) || 97) === part(id, 10, 12),
    words: /identiteitskaart|carte d'identité/,
  },
];

function isItalian(id: string): boolean {
  let sum = 0;
  for (let at = 0; at < 15; at++) {
    const value = parseInt(id[at] ?? '', 36);
    const letter = value < 10 ? value : value - 10;
    sum += at % 2 === 0 ? (ITALIAN_ODD[letter] ?? 0) : letter;
  }
  return String.fromCharCode(65 + (sum % 26)) === id[15];
}

function isMexican(id: string): boolean {
  const alphabet = '0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ';
  const sum = Array.from(id.slice(0, 17)).reduce(
    (total, letter, at) => total + alphabet.indexOf(letter) * (18 - at),
    0,
  );
  return (10 - (sum % 10)) % 10 === Number(id[17]);
}

/** Letters count as 10 to 35, of which the last digit matters to a sum modulo ten. */
function digitsOfLettered(id: string): string {
  return Array.from(id, (letter) => String(parseInt(letter, 36) % 10)).join('');
}
