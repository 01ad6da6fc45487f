/**
 * Valid numbers of nobody, with their check digits computed from the published rules, by other code than the recognisers'.
 * A digit of `#` in a form is any; the makers put the check digits behind or among them.
 */
export interface IdForm {
  kind: 'card' | 'iban' | 'national-id';
  country: string;
  make(random: () => number): string;
  /** Sentences that have it in place of `#`; the last says nothing of what it is. */
  sentences: readonly string[];
}

type Random = () => number;

const digit = (random: Random): number => Math.floor(random() * 10);
const digits = (random: Random, count: number): string =>
  Array.from({ length: count }, () => digit(random)).join('');
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
const two = (value: number): string => String(value).padStart(2, '0');
const between = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));
const dot = (text: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, at) => sum + weight * (text.charCodeAt(at) - 48), 0);
const bornOn = (random: Random): { year: number; month: string; day: string } => ({
  year: between(random, 1935, 2005),
  month: two(between(random, 1, 12)),
  day: two(between(random, 1, 28)),
});
/** Draws until a number has a check digit: some rules give none to one number in eleven. */
function until(random: Random, draw: (random: Random) => string | null): string {
  for (;;) {
    const made = draw(random);
    if (made !== null) return made;
  }
}
function luhnDigit(body: string): string {
  let sum = 0;
  Array.from(body)
    .toReversed()
    .forEach((character, at) => {
      const value = Number(character) * (at % 2 === 0 ? 2 : 1);
      sum += Math.floor(value / 10) + (value % 10);
    });
  return String((10 - (sum % 10)) % 10);
}
function group(text: string, sizes: readonly number[], separator: string): string {
  let at = 0;
  return sizes.map((size) => text.slice(at, (at += size))).join(separator);
}

const CARD_SENTENCES = [
  'My card number is #, it expires next year.',
  'Bitte belasten Sie die Karte #.',
  '请用这张卡付款：#。',
  'I was told to send you this: #',
];
const IBAN_SENTENCES = [
  'Please pay to #.',
  'Meine IBAN lautet #.',
  'Mon compte est le #, merci.',
  'It is # as agreed.',
];
const BARE = 'Here it is: #, as you asked.';

const cards: IdForm[] = (
  [
    ['4', 16, [4, 4, 4, 4]],
    ['53', 16, [4, 4, 4, 4]],
    ['2229', 16, [4, 4, 4, 4]],
    ['37', 15, [4, 6, 5]],
    ['6011', 16, [4, 4, 4, 4]],
    ['3530', 16, [4, 4, 4, 4]],
  ] as const
).map(([prefix, length, sizes]) => ({
  kind: 'card',
  country: prefix,
  make: (random) => {
    const body = prefix + digits(random, length - prefix.length - 1);
    const number = body + luhnDigit(body);
    return pick(random, [number, group(number, sizes, ' '), group(number, sizes, '-')]);
  },
  sentences: CARD_SENTENCES,
}));

/** Of the account part: `n` a digit, `a` a letter. */
const ibanForms: Record<string, string> = {
  DE: 'nnnnnnnnnnnnnnnnnn', GB: 'aaaannnnnnnnnnnnnn', FR: 'nnnnnnnnnnnnnnnnnnnnnnn', ES: 'nnnnnnnnnnnnnnnnnnnn', NL: 'aaaannnnnnnnnn',
  IT: 'annnnnnnnnnnnnnnnnnnnnn', PL: 'nnnnnnnnnnnnnnnnnnnnnnnn', PT: 'nnnnnnnnnnnnnnnnnnnnn', BE: 'nnnnnnnnnnnn', CH: 'nnnnnnnnnnnnnnnnn',
  SE: 'nnnnnnnnnnnnnnnnnnnn', NO: 'nnnnnnnnnnn', AT: 'nnnnnnnnnnnnnnnn', TR: 'nnnnnnnnnnnnnnnnnnnnnn',
}; // prettier-ignore
const ibans: IdForm[] = Object.entries(ibanForms).map(([country, form]) => ({
  kind: 'iban',
  country,
  make: (random) => {
    const account = Array.from(form, (what) =>
      what === 'n' ? digit(random) : String.fromCharCode(between(random, 65, 90)),
    ).join('');
    const numeric = Array.from(`${account}${country}00`, (letter) =>
      /[A-Z]/.test(letter) ? String(letter.charCodeAt(0) - 55) : letter,
    ).join('');
    const iban = `${country}${two(Number(98n - (BigInt(numeric) % 97n)))}${account}`;
    return pick(random, [iban, iban.replaceAll(/.{4}(?=.)/g, '$& '), iban.toLowerCase()]);
  },
  sentences: IBAN_SENTENCES,
}));

function national(country: string, sentence: string, make: (random: Random) => string): IdForm {
  return { kind: 'national-id', country, make, sentences: [sentence, sentence, BARE] };
}

const VERHOEFF_INVERSE = [0, 4, 3, 2, 1, 5, 6, 7, 8, 9];
/** Products and permutations of the dihedral group of ten, from their definition. */
function dihedral(a: number, b: number): number {
  if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b - 5) % 5);
  return b < 5 ? 5 + ((a - 5 - b + 5) % 5) : (a - b + 5) % 5;
}
function permuted(value: number, times: number): number {
  const once = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
  let result = value;
  for (let time = 0; time < times % 8; time++) result = once[result]!;
  return result;
}

const nationals: IdForm[] = [
  national('NL', 'Mijn BSN is #.', (random) =>
    until(random, (r) => {
      const body = digits(r, 8);
      const check = dot(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
      return check === 10 || body.startsWith('00') ? null : body + check;
    }),
  ),
  national('PT', 'O meu NIF é #.', (random) => {
    const body = pick(random, ['1', '2', '5']) + digits(random, 7);
    const rest = dot(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    return body + (rest < 2 ? 0 : 11 - rest);
  }),
  national('CA', 'My SIN is #.', (random) => {
    const body = between(random, 1, 7) + digits(random, 7);
    const number = body + luhnDigit(body);
    return pick(random, [number, group(number, [3, 3, 3], ' '), group(number, [3, 3, 3], '-')]);
  }),
  national('GB', 'My NHS number is #.', (random) =>
    until(random, (r) => {
      const body = between(r, 4, 7) + digits(r, 8);
      const check = 11 - (dot(body, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11);
      return check === 10 ? null : group(body + (check % 11), [3, 3, 4], ' ');
    }),
  ),
  national('SE', 'Mitt personnummer är #.', (random) => {
    const { year, month, day } = bornOn(random);
    const body = `${two(year % 100)}${month}${day}${digits(random, 3)}`;
    return pick(random, [
      group(body + luhnDigit(body), [6, 4], '-'),
      `${Math.floor(year / 100)}${group(body + luhnDigit(body), [6, 4], '-')}`,
    ]);
  }),
  national('PL', 'Mój PESEL to #.', (random) => {
    const { year, month, day } = bornOn(random);
    const body = `${two(year % 100)}${two(Number(month) + (year >= 2000 ? 20 : 0))}${day}${digits(random, 4)}`;
    return body + ((10 - (dot(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10);
  }),
  national('BR', 'Meu CPF é #.', (random) => {
    let body = digits(random, 9);
    for (const length of [9, 10]) {
      const rest =
        dot(
          body,
          Array.from({ length }, (_, at) => length + 1 - at),
        ) % 11;
      body += rest < 2 ? 0 : 11 - rest;
    }
    return pick(random, [body, `${group(body.slice(0, 9), [3, 3, 3], '.')}-${body.slice(9)}`]);
  }),
  national('NO', 'Fødselsnummeret mitt er #.', (random) =>
    until(random, (r) => {
      const { year, month, day } = bornOn(r);
      const body = `${day}${month}${two(year % 100)}${digits(r, 3)}`;
      const first = (11 - (dot(body, [3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11)) % 11;
      const second = (11 - (dot(body + first, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
      return first === 10 || second === 10
        ? null
        : pick(r, [`${body}${first}${second}`, `${body.slice(0, 6)} ${body.slice(6)}${first}${second}`]);
    }),
  ),
  national('BE', 'Mijn rijksregisternummer is #.', (random) => {
    const { year, month, day } = bornOn(random);
    const body = `${two(year % 100)}${month}${day}${digits(random, 3)}`;
    const check = two(97 - (Number(year >= 2000 ? `2${body}` : body) % 97));
    return pick(random, [
      body + check,
      `${group(body.slice(0, 6), [2, 2, 2], '.')}-${body.slice(6)}.${check}`,
    ]);
  }),
  national('DE', 'Meine Steuer-ID ist #.', (random) => {
    const nine = Array.from({ length: 10 }, (_, at) => at)
      .toSorted(() => random() - 0.5)
      .slice(0, 9);
    const ten = [...nine, nine[between(random, 0, 8)]!];
    if (ten[0] === 0) [ten[0], ten[1]] = [ten[1]!, ten[0]];
    let product = 10;
    for (const value of ten) {
      const sum = (value + product) % 10 || 10;
      product = (sum * 2) % 11;
    }
    const number = ten.join('') + ((11 - product) % 10);
    return pick(random, [number, group(number, [2, 3, 3, 3], ' ')]);
  }),
  national('TR', 'T.C. kimlik numaram #.', (random) => {
    const d = Array.from(between(random, 1, 9) + digits(random, 8), Number);
    const odd = d[0]! + d[2]! + d[4]! + d[6]! + d[8]!;
    const even = d[1]! + d[3]! + d[5]! + d[7]!;
    const tenth = (odd * 7 + even * 9) % 10;
    return [...d, tenth, (odd + even + tenth) % 10].join('');
  }),
  national('IN', 'My Aadhaar number is #.', (random) => {
    const body = between(random, 2, 9) + digits(random, 10);
    let check = 0;
    Array.from(body)
      .toReversed()
      .forEach((character, at) => {
        check = dihedral(check, permuted(Number(character), at + 1));
      });
    return group(body + VERHOEFF_INVERSE[check], [4, 4, 4], ' ');
  }),
  national('FR', 'Mon numéro de sécurité sociale est #.', (random) => {
    const { year, month } = bornOn(random);
    const body = `${between(random, 1, 2)}${two(year % 100)}${month}${two(between(random, 1, 95))}${digits(random, 6)}`;
    const number = body + two(97 - Number(BigInt(body) % 97n));
    return pick(random, [number, group(number, [1, 2, 2, 2, 3, 3, 2], ' ')]);
  }),
  national('CN', '我的身份证号码是#。', (random) => {
    const { year, month, day } = bornOn(random);
    const body = `${between(random, 1, 6)}${digits(random, 5)}${year}${month}${day}${digits(random, 3)}`;
    let sum = 0;
    for (let at = 0; at < 17; at++) sum += Number(body[at]) * (2 ** (17 - at) % 11);
    const check = (12 - (sum % 11)) % 11;
    return body + (check === 10 ? 'X' : check);
  }),
  national('ES', 'Mi DNI es #.', (random) => {
    const body = digits(random, 8);
    return `${body}${pick(random, ['', '-'])}${'TRWAGMYFPDXBNJZSQVHLCKE'.charAt(Number(body) % 23)}`;
  }),
  national('FI', 'Henkilötunnukseni on #.', (random) => {
    const { year, month, day } = bornOn(random);
    const [date, serial] = [
      `${day}${month}${two(year % 100)}`,
      String(between(random, 2, 899)).padStart(3, '0'),
    ];
    return `${date}${year >= 2000 ? 'A' : '-'}${serial}${'0123456789ABCDEFHJKLMNPRSTUVWXY'.charAt(Number(date + serial) % 31)}`;
  }),
  national('CH', 'Meine AHV-Nummer ist #.', (random) => {
    const body = `756${digits(random, 9)}`;
    const number = body + ((10 - (dot(body, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10)) % 10);
    return group(number, [3, 4, 4, 2], '.');
  }),
  national('ZA', 'My South African ID number is #.', (random) => {
    const { year, month, day } = bornOn(random);
    const body = `${two(year % 100)}${month}${day}${digits(random, 4)}0${between(random, 8, 9)}`;
    return body + luhnDigit(body);
  }),
  national('CZ', 'Moje rodné číslo je #.', (random) =>
    until(random, (r) => {
      const { month, day } = bornOn(r);
      const body = `${two(between(r, 54, 99))}${two(Number(month) + (r() < 0.5 ? 50 : 0))}${day}${digits(r, 3)}`;
      const check = Number(body) % 11;
      return check === 10 ? null : `${body.slice(0, 6)}/${body.slice(6)}${check}`;
    }),
  ),
  national('IT', 'Il mio codice fiscale è #.', (random) => {
    const { year, day } = bornOn(random);
    const letters = (count: number): string =>
      Array.from({ length: count }, () => String.fromCharCode(between(random, 65, 90))).join('');
    const body = `${letters(6)}${two(year % 100)}${pick(random, [...'ABCDEHLMPRST'])}${day}${letters(1)}${digits(random, 3)}`;
    const odd: Record<string, number> = {};
    const values = [
      1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    values.forEach((value, at) => {
      odd[String.fromCharCode(65 + at)] = value;
      if (at < 10) odd[String(at)] = value;
    });
    let sum = 0;
    Array.from(body).forEach((letter, at) => {
      sum += at % 2 === 0 ? odd[letter]! : /\d/.test(letter) ? Number(letter) : letter.charCodeAt(0) - 65;
    });
    return body + String.fromCharCode(65 + (sum % 26));
  }),
];

export const idForms: readonly IdForm[] = [...cards, ...ibans, ...nationals];
