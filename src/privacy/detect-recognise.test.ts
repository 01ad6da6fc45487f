/**
 * What is written plainly is found, and so is what is written to be overlooked: every disguise of every kind, wherever it
 * stands; offsets are those of the text as it was given.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { disguises } from '../../test/privacy/disguises.ts';
import { recognise } from './detect-recognise.ts';
import { viewOf } from './detect-normalise.ts';
import { createTermMatcher } from './detect-terms.ts';
import type { Finding } from './detection.ts';

const TERM = 'Project Heliotrope';
const terms = createTermMatcher([TERM]);
const find = (text: string): Finding[] => recognise(viewOf(text), { terms, more: [] });

const planted: Record<string, { kind: string; text: string }> = {
  'an e-mail address': { kind: 'email', text: 'maria.lopez@example.com' },
  'a card': { kind: 'card', text: '4111 1111 1111 1111' },
  'an IBAN': { kind: 'iban', text: 'DE89 3704 0044 0532 0130 00' },
  'a national number': { kind: 'national-id', text: '529.982.247-25' },
  "the user's term": { kind: 'term', text: TERM },
};

describe.each(Object.entries(planted))('%s', (_, { kind, text: secret }) => {
  it.each(Object.entries(disguises))('is found behind: %s', (_disguise, disguise) => {
    const hidden = disguise(secret);
    const text = `Please note: ${hidden} - thank you.`;
    const start = text.indexOf(hidden);
    const covering = find(text).filter(
      (one) => one.kind === kind && one.start <= start && one.end >= start + hidden.length,
    );
    expect(covering.length).toBeGreaterThan(0);
  });
});

describe('normalisation', () => {
  it.each(['zero-width spaces', 'soft hyphens', 'full width', 'Arabic digits'])(
    'is what finds it behind: %s',
    (disguise) => {
      const original = `My card: ${disguises[disguise]?.('4111 1111 1111 1111')} - thank you.`;
      const starts = Int32Array.from({ length: original.length }, (_, at) => at);
      const asItIs = { original, text: original, folded: original, starts, ends: starts.map((at) => at + 1) };
      const cards = (findings: Finding[]): Finding[] => findings.filter(({ kind }) => kind === 'card');
      expect(cards(recognise(asItIs, { terms, more: [] }))).toEqual([]);
      expect(cards(recognise(viewOf(original), { terms, more: [] }))).toHaveLength(1);
    },
  );
});

describe('offsets', () => {
  it('are those of the text that was given, whatever stands around', () => {
    const kinds = fc.constantFrom(...Object.values(planted));
    const ways = fc.constantFrom(...Object.values(disguises));
    const around = fc.string({ unit: 'grapheme', maxLength: 30 });
    fc.assert(
      fc.property(around, around, kinds, ways, (before, after, { kind, text: secret }, disguise) => {
        const hidden = disguise(secret);
        const text = `${before}\n\n${hidden}\n\n${after}`;
        const start = before.length + 2;
        const findings = find(text);
        for (const finding of findings) expect(text.slice(finding.start, finding.end)).toBe(finding.text);
        expect(
          findings.some((one) => one.kind === kind && one.start <= start && one.end >= start + hidden.length),
        ).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what is nothing personal', () => {
  it.each([
    'The meeting on 2024-05-13 14:30 is in room 204.',
    'Version 10.15.7 of the app, build 21.4.0.1, needs 1.500.000 EUR.',
    'for (let i = 0; i < 1000000; i++) sum += values[i] * 3.14159265358979;',
    'The commit 3f786850e387550fdab836ed7e6dc881de23001b fixes it.',
    'std::vector<int> a::b::c; localhost is 127.0.0.1 and ::1.',
    'The password is required and must be strong.',
    'Between 1914-1918 and 1939-1945, about 70,000,000 people.',
    'const token = process.env.API_KEY;',
    'See https://example.com/a/b/c?page=2&sort=asc for more.',
  ])('is left alone: %s', (text) => {
    expect(find(text)).toEqual([]);
  });
});

describe('keys, tokens and passwords', () => {
  const letters = 'Zk3vQ9xT1mNb7LwRc5YdUe8HgFa2Js4PZk3vQ9xT1mNb7LwRc5Yd';
  it.each([
    ['OpenAI', `sk-proj-${letters}`],
    ['Anthropic', `sk-ant-api03-${letters}`],
    ['GitHub', `ghp_${letters.slice(0, 36)}`],
    ['GitHub, fine-grained', `github_pat_${letters.slice(0, 22)}_${letters}`],
    ['AWS', 'AKIAQ3EGRZ7XM5KVT2LD'],
    ['Google', `AIza${letters.slice(0, 35)}`],
    ['Slack', 'xoxb-123456789012-abcdefABCDEF'],
    ['Stripe', `sk_live_${letters.slice(0, 24)}`],
    ['a JSON web token', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLW9mLWl0'],
    ['npm', `npm_${letters.slice(0, 36)}`],
    ['Hugging Face', `hf_${letters.slice(0, 34)}`],
    ['SendGrid', `SG.${letters.slice(0, 22)}.${letters.slice(0, 43)}`],
  ])('of %s are found', (_, key) => {
    const text = `use ${key} here`;
    expect(find(text)).toContainEqual(expect.objectContaining({ kind: 'credential', text: key }));
  });

  it('are found in a private key block, to its end', () => {
    const block = '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----';
    expect(find(`a\n${block}\nb`)).toContainEqual(
      expect.objectContaining({ kind: 'credential', text: block }),
    );
  });

  it.each([
    ['password: Marigold!77', 'Marigold!77'],
    ['mein Passwort lautet Sommer#2024.', 'Sommer#2024'],
    ['la contraseña es Gato_9x', 'Gato_9x'],
    ['DB_PASSWORD=pr0d-s3cret', 'pr0d-s3cret'],
    ['postgres://admin:hunter2x@db.example/app', 'hunter2x'],
  ])('are found by what is before them: %s', (text, password) => {
    expect(find(text)).toContainEqual(expect.objectContaining({ kind: 'credential', text: password }));
  });
});

describe('addresses', () => {
  it.each([
    ['203.0.113.77', 'ip'],
    ['2001:db8:85a3::8a2e:370:7334', 'ip'],
    ['00:1A:2B:3C:4D:5E', 'mac'],
    ['anna (at) example (dot) com', 'email'],
    ['anna at example dot com', 'email'],
    ['jürgen@müller.example', 'email'],
  ])('%s is one of kind %s', (address, kind) => {
    expect(find(`It is ${address} now`)).toContainEqual(expect.objectContaining({ kind, text: address }));
  });
});

describe("the user's terms", () => {
  const matcher = createTermMatcher(['Anna Müller', 'Łódź', 'Ann', '秘密計画', '🦊']);
  const found = (text: string): string[] =>
    matcher(viewOf(text)).map(({ start, end }) => viewOf(text).text.slice(start, end));

  it.each([
    ['ANNA MÜLLER was here', 'ANNA MÜLLER'],
    ['anna-mueller', 'anna-mueller'],
    ['write to annamuller now', 'annamuller'],
    ['A n n a  M u l l e r', 'A n n a  M u l l e r'],
    ['аnnа Müller', 'аnnа Müller'],
    ['in Lodz', 'Lodz'],
    ['この秘密計画は', '秘密計画'],
    ['the 🦊 said', '🦊'],
  ])('are found in any spelling: %s', (text, spelling) => {
    expect(found(text)).toContain(spelling);
  });

  it('are not found inside other words where they are short', () => {
    expect(found('announcement of the planner')).toEqual([]);
  });
});

describe('texts made to be slow', () => {
  const LENGTH = 50_000;
  it.each(
    [
      '1',
      '1 ',
      'a',
      'a@',
      '@',
      'eyJ',
      'a.',
      '%41',
      '%',
      '0x4',
      '4 1',
      ':',
      'fe80:',
      'AA',
      'password is ',
      '(',
      ' at ',
      'DE89 ',
      '-----BEGIN PRIVATE KEY-----',
      '=',
      'A\n',
      '\u0301',
      '\u200b',
      '://',
      'sk-',
      '/',
      '12/',
    ].map((piece) => [JSON.stringify(piece), piece] as const),
  )('are looked at in the end: %s over and over', (_, piece) => {
    const text = piece.repeat(LENGTH / piece.length);
    expect(find(text).every((finding) => finding.end <= text.length)).toBe(true);
  });
});
