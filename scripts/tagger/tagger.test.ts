/**
 * The prompts are as many and as mixed as they should be, what is measured is what is meant, learning learns, and the
 * weights that are shipped are those that were measured: a floor under the figures of docs/scorecard.md.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTagger, TAGS } from '../../src/privacy/detect-tagger.ts';
import { taggerData } from '../../src/privacy/detect-tagger-data.ts';
import { createDetector } from '../../src/privacy/detector.ts';
import { root } from '../lib/paths.mjs';
import { generateTexts } from './generate.ts';
import { learn, packWeights } from './learn.ts';
import { measure, missed } from './measure.ts';
import { parse, readPrompts } from './prompts.ts';
import { templates } from './templates.ts';

const { train, heldOut } = readPrompts(join(root, 'test/privacy/prompts'));

describe('the prompts', () => {
  it('are at least 300 in at least twelve locales, a third of them held out, and no two alike', () => {
    const all = [...train, ...heldOut];
    expect(all.length).toBeGreaterThanOrEqual(300);
    expect(heldOut.length).toBe(Math.floor(all.length / 3));
    expect(new Set(heldOut.map(({ locale }) => locale)).size).toBeGreaterThanOrEqual(12);
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
  });

  it('have at least a third without anything personal', () => {
    const all = [...train, ...heldOut];
    expect(all.filter(({ spans }) => spans.length === 0).length).toBeGreaterThan(all.length / 3);
  });

  it('give text and spans by their marks', () => {
    expect(parse('en', 'I am ⟦name:Ann⟧ of ⟦organisation:Acme⟧.')).toEqual({
      locale: 'en',
      text: 'I am Ann of Acme.',
      spans: [
        { start: 5, end: 8, kind: 'name' },
        { start: 12, end: 16, kind: 'organisation' },
      ],
    });
  });
});

describe('what is measured', () => {
  const one = parse('en', 'I am ⟦name:Ann Lee⟧ here');

  it('is the share of spans whose letters are all masked, and of other characters that are masked', () => {
    expect(measure([one], [[{ start: 5, end: 12 }]])).toEqual({ spans: 1, overMasking: 0, spanCount: 1 });
    expect(measure([one], [[{ start: 5, end: 8 }]]).spans).toBe(0);
    expect(measure([one], [[{ start: 0, end: 17 }]]).overMasking).toBe(1);
    expect(missed(one, [{ start: 5, end: 8 }])).toEqual(['Ann Lee']);
  });
});

describe('generated texts', () => {
  it('are the same for the same seed, in all locales, with their spans in place', () => {
    const texts = generateTexts(400, 1);
    expect(generateTexts(400, 1)).toEqual(texts);
    expect(generateTexts(400, 2)).not.toEqual(texts);
    expect(Object.keys(templates).length).toBeGreaterThanOrEqual(12);
    for (const { text, spans } of texts) {
      for (const { start, end } of spans) expect(text.slice(start, end).trim()).not.toBe('');
    }
  });
});

describe('learning', () => {
  it('finds by what stands around it a name that it has never seen', () => {
    const empty = { has: () => false };
    const texts = Array.from({ length: 60 }, (_, at) => ({
      text: parse('en', `my name is ⟦name:Qw${'abcdefghij'[at % 10]}zo⟧ and the weather is nice`),
      weight: 1,
    }));
    const { weights, scales, biases } = learn(
      texts,
      { common: empty, names: empty },
      { epochs: 5, rate: 0.1, decay: 0, seed: 1 },
    );
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const none = base64(new Uint8Array(8));
    const data = { weights: base64(packWeights(weights)), scales, biases, common: none, names: none };
    const text = 'my name is Vontrelle and the weather is nice';
    expect(
      createTagger(data, 0.5)
        .find(text)
        .map(({ start, end, kind }) => [text.slice(start, end), kind]),
    ).toEqual([['Vontrelle', 'name']]);
  });
});

describe('the weights that are shipped', () => {
  const spansFloor = 0.85;
  const overMaskingCeiling = 0.1;
  const masksWith = (find: (text: string) => readonly { start: number; end: number }[]) =>
    measure(
      heldOut,
      heldOut.map(({ text }) => [...find(text)]),
    );

  it('mask what the scorecard says of prompts that nothing was learnt from', async () => {
    const detector = await createDetector();
    const masks = await Promise.all(
      heldOut.map(async ({ text }) => [...(await detector.detect(text)).findings]),
    );
    const { spans, overMasking } = measure(heldOut, masks);
    expect(spans).toBeGreaterThan(spansFloor);
    expect(overMasking).toBeLessThan(overMaskingCeiling);
  });

  it('are what does it: without them hardly anything is found', () => {
    const blank = Buffer.from(new Uint8Array(Buffer.from(taggerData.weights, 'base64').length)).toString(
      'base64',
    );
    const biases = TAGS.map(() => -5);
    const without = createTagger({ ...taggerData, weights: blank, biases }, 0.2);
    expect(masksWith((text) => without.find(text)).spans).toBe(0);
  });
});
