/**
 * The pseudonyms of one conversation, and what they stand for. In memory only. An alias such as `PERSON-QXKD-001` says of what
 * kind the thing is, so that a model can speak of it; its four letters are drawn for this conversation, so that no other
 * text has them by chance; it has no sign that Markdown, JSON or a URL would change. The same thing has the same alias as
 * long as the conversation goes on. All aliases of a kind are of one length, so that none begins another.
 */
import type { FindingKind } from './detection.ts';

export interface Vault {
  /** `isExact`: another spelling is another thing, as in keys. */
  aliasOf(kind: FindingKind, text: string, options?: { isExact?: boolean }): string;
  /** Issued aliases and what they stand for. */
  entries(): [alias: string, text: string][];
}

/** Consonants, so that they spell nothing. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const NONCE_LENGTH = 4;
const DIGITS = 3;

const WORDS: Record<FindingKind, string> = {
  card: 'CARD',
  iban: 'IBAN',
  'national-id': 'ID',
  email: 'EMAIL',
  ip: 'IP',
  mac: 'MAC',
  phone: 'PHONE',
  number: 'NUMBER',
  credential: 'KEY',
  name: 'PERSON',
  address: 'ADDRESS',
  'date-of-birth': 'DATE',
  organisation: 'ORG',
  term: 'TERM',
};

/** `random`: integers from 0 to below its argument. */
export function createVault(random: (below: number) => number): Vault {
  const aliases = new Map<string, { alias: string; text: string }>();
  let nonce = '';

  function issue(kind: FindingKind): string {
    const number = aliases.size % 10 ** DIGITS;
    if (number === 0)
      nonce = Array.from({ length: NONCE_LENGTH }, () => LETTERS[random(LETTERS.length)]).join('');
    return `${WORDS[kind]}-${nonce}-${String(number + 1)
      .padStart(DIGITS, '0')
      .slice(-DIGITS)}`;
  }

  return {
    aliasOf(kind, text, { isExact = false } = {}) {
      const key = `${kind} ${isExact ? text : sameThing(text)}`;
      const known = aliases.get(key);
      if (known) return known.alias;
      const alias = issue(kind);
      aliases.set(key, { alias, text });
      return alias;
    },
    entries: () => [...aliases.values()].map(({ alias, text }) => [alias, text]),
  };
}

/** Case, and how the words are spaced, do not make two things of one. */
function sameThing(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}
