/**
 * P2 and the free names of P1: what the whole detector masks of the hand-written prompts that nothing was learnt from or
 * chosen by, for each threshold of the tagger.
 */
import { createDetector } from '../../src/privacy/detector.ts';
import { THRESHOLD } from '../../src/privacy/detect-tagger.ts';
import { type Masked, measure, missed } from '../tagger/measure.ts';
import { type LabelledText, readPrompts } from '../tagger/prompts.ts';
import { type Gate, percent } from './gate.ts';

const SPANS = 0.95;
const OVER_MASKING = 0.05;
const THRESHOLDS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9];
const FOLDER = 'test/privacy/prompts';

async function masksOf(texts: readonly LabelledText[], threshold: number): Promise<Masked[][]> {
  const detector = await createDetector({ threshold });
  return Promise.all(texts.map(async ({ text }) => [...(await detector.detect(text)).findings]));
}

export const prompts: Gate = {
  id: 'P2',
  what: 'Spans of held-out prompts that are masked whole',
  target: `at least ${percent(SPANS, 0)} at no more than ${percent(OVER_MASKING, 0)} over-masking`,
  async measure() {
    const { train, heldOut } = readPrompts(FOLDER);
    const rows: string[] = [];
    for (const threshold of THRESHOLDS) {
      const { spans, overMasking } = measure(heldOut, await masksOf(heldOut, threshold));
      rows.push(`| ${threshold} | ${percent(spans)} | ${percent(overMasking)} |`);
    }
    const { spans, overMasking, spanCount } = measure(heldOut, await masksOf(heldOut, THRESHOLD));
    return {
      value: `${percent(spans)} of spans at ${percent(overMasking)} over-masking`,
      met: spans >= SPANS && overMasking <= OVER_MASKING,
      note: [
        `${heldOut.length} of ${train.length + heldOut.length} hand-written prompts in ${new Set(heldOut.map(({ locale }) => locale)).size} locales, with ${spanCount} spans; the tagger learns from the others. Over-masking is the share of the characters outside of spans that are masked. The threshold that is shipped is ${THRESHOLD}; it was chosen on the prompts for training, by leaving out a third of them at a time.`,
        '',
        '| threshold | spans masked | over-masking |',
        '| --- | --- | --- |',
        ...rows,
      ].join('\n'),
    };
  },
};

export const names: Gate = {
  id: 'P1',
  what: 'Free names in held-out prompts: published miss rate',
  target: null,
  async measure() {
    const { heldOut } = readPrompts(FOLDER);
    const named = heldOut.map((one) => ({ ...one, spans: one.spans.filter(({ kind }) => kind === 'name') }));
    const masks = await masksOf(named, THRESHOLD);
    const { spans, spanCount } = measure(named, masks);
    const left = named.flatMap((one, at) => missed(one, masks[at]!));
    return {
      value: `missed: ${percent(1 - spans)} of ${spanCount}`,
      met: null,
      note: left.length === 0 ? '' : `Missed, wholly or in part: ${left.join(', ')}.`,
    };
  },
};
