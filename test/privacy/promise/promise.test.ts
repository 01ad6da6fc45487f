/**
 * The promise: of what is secret, of all that was made from it, of the user's own terms and of numbers with check digits not a
 * byte is on the wire, in whatever encoding; and it is kept by parts each of which is needed. All ten thousand conversations
 * are in promise.long.test.ts.
 */
import { describe, expect, it } from 'vitest';
import type { Letters } from '../../../src/privacy/letters.ts';
import { decide } from '../../../src/router/decide.ts';
import { seeded } from '../../models/random.ts';
import { DISGUISES, drawCard, drawCode, drawIban, drawSentence, drawTerm } from './canaries.ts';
import { assemble } from './assembly.ts';
import type { Parts } from './assembly.ts';
import { canFind } from './leaks.ts';
import { openClientKeeper } from './routed.ts';
import { holdChats, sendTwice } from './run.ts';
import type { OpenKeeper, Outcome } from './run.ts';

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

const weakened =
  (parts: Partial<Parts>): OpenKeeper =>
  (random, terms) =>
    assemble(random, terms, parts);

function expectKept({ plans, requests, leaks, told }: Outcome, turns: number): void {
  expect(leaks).toEqual([]);
  expect(told).toEqual([]);
  // Much of it left, in every way, so that finding nothing means something.
  expect(requests).toBeGreaterThan(turns / 3);
  for (const plan of ['local', 'cloud-redacted', 'refuse']) expect(plans[plan]).toBeGreaterThan(turns / 10);
}

describe('holds in random conversations', () => {
  it('with the parts put together', async () => {
    expectKept(await holdChats(seeds(150), assemble), 450);
  });

  it('with the client', async () => {
    expectKept(await holdChats(seeds(60), openClientKeeper), 180);
  });
});

it('holds for what a secret could tell by its absence: with another one the same is sent', async () => {
  const { requests, different } = await sendTwice(seeds(60));
  expect(different).toBe(0);
  expect(requests).toBeGreaterThan(60);
});

describe('is broken', () => {
  it('without the gates: not of the router, which sends all, nor of the door, which lets all out', async () => {
    const { leaks } = await holdChats(
      seeds(30),
      weakened({
        decide: (record) => decide({ ...record, request: { ...record.request, privacy: 'personal' } }),
        forbid: () => ({ find: () => null }),
      }),
    );
    expect(leaks.length).toBeGreaterThan(10);
  });

  it('without fingerprints: what comes again without its label has none', async () => {
    const { leaks } = await holdChats(
      seeds(50),
      weakened({
        weakenStore: (store) => ({
          ...store,
          classOf: () => 'public',
          classIn: () => 'public',
          label(messages, defaults) {
            const labelled = store.label(messages, defaults);
            const texts = labelled.texts.map((text) =>
              text.source === 'fingerprint' ? { ...text, class: text.label ?? ('personal' as const) } : text,
            );
            const isSecret = texts.some((text) => text.class === 'secret');
            return { ...labelled, texts, class: isSecret ? 'secret' : 'personal' };
          },
        }),
      }),
    );
    expect(leaks.length).toBeGreaterThan(10);
  });

  it('without normalisation: what is written otherwise is another text', async () => {
    const { leaks } = await holdChats(seeds(60), weakened({ read: readAsWritten }));
    expect(leaks.filter(({ canary }) => ['code', 'sentence'].includes(canary.kind)).length).toBeGreaterThan(
      3,
    );
  });
});

/** Letters as they are, whatever they look like. */
function readAsWritten(text: string): Letters {
  const units = Int32Array.from(text, (letter) => letter.codePointAt(0) ?? 0);
  return { units, starts: new Uint8Array(units.length + 1).fill(1) };
}

describe('the search finds every canary that is sent', () => {
  for (const way of Object.keys(DISGUISES)) {
    it(`in this way: ${way}`, () => {
      const random = seeded(9);
      for (const draw of [drawCode, drawSentence, drawTerm, drawCard, drawIban]) {
        for (let i = 0; i < 20; i++) {
          const canary = draw(random);
          expect(canFind(canary, way) ? '' : canary.text).toBe('');
        }
      }
    });
  }
});
