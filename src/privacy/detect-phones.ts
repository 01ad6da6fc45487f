/**
 * Telephone numbers. libphonenumber knows the plans of all countries; its metadata are large, so that it is loaded when the
 * first detector is made. A number without a country code is tried as one of each country; runs of digits behind a word that announces a number are taken even if no plan has them.
 */
import type { CountryCode } from 'libphonenumber-js/max';
import type { Span } from './detection.ts';
import { type DigitGroups, digitGroups } from './detect-digit-groups.ts';

export type PhoneFinder = (text: string) => Span[];

/** Tried first, because most numbers are of one of them. */
const FIRST: readonly CountryCode[] = [
  'US',
  'GB',
  'DE',
  'FR',
  'ES',
  'IT',
  'BR',
  'IN',
  'JP',
  'CN',
  'RU',
  'PL',
];
const ANNOUNCED =
  /(?:\b(?:tel|phone|telephone|mobile|cell|call(?: me)?(?: (?:at|on))?|text(?: me)?(?: (?:at|on))?|ring me|fax|whats ?app|signal|sms|reach (?:me|him|her|us)|contact|dial|hotline|handy|telefon|telefonnummer|mobil|rufnummer|anrufen|rückruf|erreichbar|nummer|téléphone|portable|appelez|joindre|teléfono|telefono|móvil|celular|llama(?:r|me)?|llámame|cellulare|chiamami|numero|telefone|ligue|telemóvel|telefoon|mobiel|bel|telefonu|zadzwoń|komórk\p{L}*|ring|puhelin|puh|numeroon|numara|cep|ara)\b|тел|телефон|звон|моб|номер|電話|携帯|电话|手机|전화|연락처|휴대폰|هاتف|फ़ोन|τηλ)[^\d\n]{0,24}$/iu;
const FEWEST = 7;
const MOST = 15;
/** How many numbers of one text are tried in all countries; after that what is written as a number is taken for one. */
const MOST_TRIED = 100;
const BEFORE = 40;
/** A date that the digits are part of. */
const DATE = /(?<!\d)(?:(?:19|20)\d{2}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d{2})(?!\d)/;
const DATE_LENGTH = 6;
/** International: a plus sign, or the prefix that stands for it. */
const PREFIX = /(?:\+|\b00|\b011[ -])[ ]?\(?$/;

export async function loadPhoneFinder(): Promise<PhoneFinder> {
  const { getCountries, parsePhoneNumberFromString } = await import('libphonenumber-js/max');
  const countries = [...new Set([...FIRST, ...getCountries()])];

  const isNumber = (written: string, country?: CountryCode): boolean =>
    (country === undefined
      ? parsePhoneNumberFromString(written)
      : parsePhoneNumberFromString(written, country)
    )?.isValid() ?? false;

  return (text) => {
    const spans: Span[] = [];
    const bare = withoutParentheses(text);
    let free = 0;
    let tried = 0;
    const isNational = (digits: string): boolean =>
      ++tried > MOST_TRIED || countries.some((country) => isNumber(digits, country));
    for (const candidate of digitGroups(bare, FEWEST)) {
      if (candidate.start < free || candidate.digits.length > MOST) continue;
      const found = judge(text, candidate, isNational);
      if (found === null) continue;
      free = candidate.end;
      spans.push(found);
    }
    return spans;
  };

  function judge(
    text: string,
    { start: from, end: to, digits }: DigitGroups,
    isNational: (digits: string) => boolean,
  ): Span | null {
    const prefix = PREFIX.exec(text.slice(Math.max(0, from - 6), from))?.[0] ?? '';
    const opened = text[from - 1] === '(' && text.slice(from, to).includes(')') ? 1 : 0;
    const start = from - Math.max(prefix.length, opened);
    const written = text.slice(from, to);
    const announced = ANNOUNCED.test(text.slice(Math.max(0, start - BEFORE), start));
    if (prefix.includes('+') && isNumber(`+${digits}`)) return phone(start, to, 0.97);
    if (/^00|^011/.test(digits) && isNumber(`+${digits.replace(/^00|^011/, '')}`))
      return phone(start, to, 0.95);
    if (looksLikeDate(written) || DATE.test(text.slice(Math.max(0, from - DATE_LENGTH), to + DATE_LENGTH)))
      return null;
    if (announced) return phone(start, to, isNational(digits) ? 0.95 : 0.7);
    if (prefix.includes('+')) return phone(start, to, 0.7);
    return isWrittenAsPhone(written, digits) && isNational(digits) ? phone(start, to, 0.8) : null;
  }
}

/** Parentheses around an area code as spaces, unit for unit. */
function withoutParentheses(text: string): string {
  return text.replaceAll(
    /\((\d{1,5})\)([ -]?)/g,
    (_, code: string, gap: string) => ` ${code}${gap === '' ? '-' : gap.padStart(2)}`,
  );
}

/** A trunk zero, parentheses, or groups that are parted: a bare run of other digits may be anything. */
function isWrittenAsPhone(written: string, digits: string): boolean {
  const groups = written.split(/[^0-9]+/).filter((group) => group !== '');
  const trunk = /^0[1-9]/.test(digits) && digits.length >= 9;
  const parted =
    groups.length >= 2 &&
    groups.length <= 6 &&
    digits.length >= 8 &&
    !/[.,]\d+$/.test(written) &&
    groups.every((group) => group.length >= 2 || group === groups[0]);
  const dotted = /^\d+(?:\.\d+)+$/.test(written);
  return (
    trunk ||
    (parted && (!dotted || groups.length >= 3)) ||
    (/^1[3-9]\d{9}$/.test(digits) && groups.length === 1) ||
    (/^[6-9]\d{9}$/.test(digits) && groups.length === 1)
  );
}

/** Two years, or a date without separators. */
function looksLikeDate(written: string): boolean {
  return /^(?:19|20)\d{2} ?[-/ ] ?(?:19|20)\d{2}$|^(?:19|20)\d{6}$/.test(written);
}

function phone(start: number, end: number, confidence: number): Span {
  return { start, end, kind: 'phone', source: 'phone', confidence };
}
