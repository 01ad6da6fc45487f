/** What others got wrong is here by name. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessageParam } from '../client/types.ts';
import { seeded } from '../../test/models/random.ts';
import type { Finding, FindingKind } from './detection.ts';
import { textsOf } from './message-texts.ts';
import { redact, redactText } from './redaction.ts';
import { createRestorer, restore } from './restore.ts';
import { createVault } from './vault.ts';
import type { Vault } from './vault.ts';

const newVault = (seed = 1): Vault => createVault(seeded(seed).below);

/** Every place where one of `values` stands. */
function findAll(text: string, values: Record<string, FindingKind>): Finding[] {
  const findings = Object.entries(values).flatMap(([value, kind]) =>
    [...text.matchAll(new RegExp(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi'))].map(
      ({ index, 0: found }): Finding => ({
        start: index,
        end: index + found.length,
        kind,
        text: found,
        source: 'pattern',
        confidence: 1,
      }),
    ),
  );
  return findings.toSorted((a, b) => a.start - b.start);
}

const SECRETS: Record<string, FindingKind> = {
  'Anna Müller': 'name',
  'anna@example.org': 'email',
  'Hauptstraße 5': 'address',
};

const CHAT: ChatMessageParam[] = [
  { role: 'system', content: 'You write for Anna Müller.' },
  { role: 'developer', content: [{ type: 'text', text: 'Sign as anna@example.org', privacy: 'personal' }] },
  { role: 'user', name: 'Anna Müller', content: 'I live at Hauptstraße 5.' },
  {
    role: 'assistant',
    content: null,
    reasoning_content: 'Anna Müller asks',
    tool_calls: [
      { id: 'c1', type: 'function', function: { name: 'find', arguments: '{"who":"Anna Müller"}' } },
    ],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'anna@example.org, Hauptstraße 5' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'And Anna Müller?' },
      { type: 'file', file: { file_data: 'AAAA', filename: 'Anna Müller (1).pdf' } },
    ],
  },
];

describe('redaction', () => {
  it('reaches every field, so that no system prompt, name, thought, file name or argument escapes (stella #294)', () => {
    const vault = newVault();
    const redacted = redact(
      CHAT,
      textsOf(CHAT).map(({ text }) => findAll(text, SECRETS)),
      vault,
    );
    const sent = JSON.stringify(redacted);
    for (const value of Object.keys(SECRETS)) expect(sent).not.toContain(value);
    expect(sent.match(/PERSON-[A-Z]{4}-001/g)).toHaveLength(6);
    expect(new Set(sent.match(/PERSON-[A-Z]{4}-\d{3}/g)).size).toBe(1);
    expect(redacted[2]?.name).toMatch(/^[\w-]+$/);
    const back = textsOf(redacted).map(({ text }) => restore(text, vault));
    expect(back).toEqual(textsOf(CHAT).map(({ text }) => text));
  });

  it('gives two things two aliases, so that none comes back as another (Upsonic #519)', () => {
    const vault = newVault();
    const values = Array.from({ length: 1200 }, (_, i) => `Person ${i}`);
    const aliases = values.map((value) => vault.aliasOf('name', value));
    expect(new Set(aliases).size).toBe(values.length);
    const text = aliases.join(', ');
    expect(restore(text, vault)).toBe(values.join(', '));
  });

  it('gives the same thing the same alias, in another case and spacing too, but not another key', () => {
    const vault = newVault();
    expect(vault.aliasOf('name', 'ANNA  müller')).toBe(vault.aliasOf('name', 'Anna Müller'));
    expect(vault.aliasOf('organisation', 'Anna Müller')).not.toBe(vault.aliasOf('name', 'Anna Müller'));
    const keys = ['sk-AbC', 'sk-aBc'].map((key) =>
      redactText(key, findAll(key, { [key]: 'credential' }), vault),
    );
    expect(keys[0]).not.toBe(keys[1]);
  });

  it('restores a name of several words once, whatever it holds (iusable #1)', () => {
    const vault = newVault();
    const alias = vault.aliasOf('name', 'Anna Anna Müller');
    const inner = vault.aliasOf('name', 'Anna');
    expect(restore(`${alias} and ${inner}`, vault)).toBe('Anna Anna Müller and Anna');
    const odd = vault.aliasOf('name', `${inner} ${alias}`);
    expect(restore(odd, vault)).toBe(`${inner} ${alias}`);
  });

  it('never shows a piece of an alias that was cut by a chunk (ueni #137)', () => {
    const vault = newVault();
    const alias = vault.aliasOf('name', 'Anna');
    for (let cut = 1; cut < alias.length; cut++) {
      const restorer = createRestorer(vault);
      const shown = [restorer.push(`Hi ${alias.slice(0, cut)}`), restorer.push(`${alias.slice(cut)} `)];
      expect(shown).toEqual(['Hi ', 'Anna ']);
    }
  });

  it('tells chats apart', () => {
    const [one, other] = [newVault(1), newVault(2)];
    const alias = one.aliasOf('name', 'Anna');
    other.aliasOf('name', 'Bob');
    expect(restore(alias, other)).toBe(alias);
  });

  it('takes whole words, so that no ending tells what it was, and none is taken for a part of the alias', () => {
    const vault = newVault();
    const text = 'The S24, Annasofie and 张伟123 met';
    const found = (value: string): Finding[] => findAll(text, { [value]: 'name' });
    const redacted = redactText(text, [...found('S2'), ...found('Anna'), ...found('张伟')], vault);
    expect(redacted).toMatch(/^The PERSON-[A-Z]{4}-001, PERSON-[A-Z]{4}-002 and PERSON-[A-Z]{4}-003 met$/);
    expect(restore(redacted, vault)).toBe(text);
  });

  it('leaves all else as it is, and brings all of it back', () => {
    const pieces = fc.array(fc.tuple(fc.string(), fc.string({ minLength: 1 })), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, (parts) => {
        let text = '';
        const findings = parts.map(([before, value]): Finding => {
          text += `${before} `;
          const start = text.length;
          text += value;
          const finding = { start, end: text.length, kind: 'card', text: value } as const;
          text += ' ';
          return { ...finding, source: 'pattern', confidence: 1 };
        });
        const redacted = redactText(text, findings, newVault());
        const rest = redacted.split(/CARD-[A-Z]{4}-\d{3}/);
        expect(rest.join('|')).toBe(
          [...parts.map(([before], i) => (i ? ` ${before} ` : `${before} `)), parts.length ? ' ' : ''].join(
            '|',
          ),
        );
      }),
    );
  });
});
