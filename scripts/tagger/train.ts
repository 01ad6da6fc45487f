/**
 * Trains the tagger and writes its data into the library. With `--folds` it is tried instead on thirds of the prompts it may
 * train on, each time without the third in question: that is what features and settings are chosen by. The held-out
 * prompts are for the scorecard alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { allFakers } from '@faker-js/faker';
import { format, resolveConfig } from 'prettier';
import { hashOf } from '../../src/privacy/detect-bloom.ts';
import { recognise } from '../../src/privacy/detect-recognise.ts';
import { viewOf } from '../../src/privacy/detect-normalise.ts';
import { loadPhoneFinder } from '../../src/privacy/detect-phones.ts';
import { createTagger, type TaggerData } from '../../src/privacy/detect-tagger.ts';
import { createTermMatcher } from '../../src/privacy/detect-terms.ts';
import { generateTexts, withOthers } from './generate.ts';
import { learn, packWeights } from './learn.ts';
import { lexiconOf, makeLexicon } from './lexicon.ts';
import { measure, missed } from './measure.ts';
import { type LabelledText, readPrompts } from './prompts.ts';

const FILE = 'src/privacy/detect-tagger-data.ts';
const SEED = 20_251;
const GENERATED = 9000;
/** Each prompt as it is, and this many times with other persons in it. */
const OTHERS = 14;
/** Names of which learning does not see that they are names, so that it learns what stands around them. */
const HIDDEN_NAMES = 0.35;
const OPTIONS = { epochs: 3, rate: 0.06, decay: 2e-5, seed: SEED };
const THRESHOLDS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7];
const FOLDS = 3;

const sets = makeLexicon();
const lexicon = lexiconOf(sets);
const half = {
  common: lexicon.common,
  names: { has: (word: string) => hashOf(word, 7) % 1000 >= HIDDEN_NAMES * 1000 && lexicon.names.has(word) },
};
const generated = generateTexts(GENERATED, SEED);
const { train } = readPrompts('test/privacy/prompts');

if (process.argv.includes('--folds')) await tryFolds();
else await write(trainOn(train));

function trainOn(prompts: readonly LabelledText[]): TaggerData {
  const chance = allFakers.en;
  chance.seed(SEED);
  const others = prompts.flatMap((prompt) => [
    prompt,
    ...Array.from({ length: OTHERS }, () => withOthers(prompt, chance)),
  ]);
  const texts = [
    ...generated.map((text) => ({ text, weight: 1 })),
    ...others.map((text) => ({ text, weight: 1 })),
  ];
  const { weights, scales, biases } = learn(texts, half, OPTIONS);
  return {
    weights: base64Of(packWeights(weights)),
    scales,
    biases,
    common: base64Of(sets.common),
    names: base64Of(sets.names),
  };
}

async function tryFolds(): Promise<void> {
  const phones = await loadPhoneFinder();
  const terms = createTermMatcher([]);
  const formed = train.map(({ text }) => {
    const view = viewOf(text);
    return [...recognise(view, { terms, more: [] }), ...phones(view.folded)];
  });
  const taggers = foldTaggers();
  for (const threshold of THRESHOLDS) {
    const masks = train.map(({ text }, at) => [
      ...formed[at]!,
      ...createTagger(taggers[at % FOLDS]!, threshold).find(text),
    ]);
    const { spans, overMasking } = measure(train, masks);
    console.log(`threshold ${threshold}: ${percent(spans)} of spans, ${percent(overMasking)} over-masking`);
    if (process.argv.includes(`--show=${threshold}`)) {
      train.forEach((prompt, at) => {
        const over = masks[at]!.filter(
          ({ start, end }) => !prompt.spans.some((span) => span.start < end && span.end > start),
        );
        const left = missed(prompt, masks[at]!);
        if (left.length + over.length > 0)
          console.log(
            JSON.stringify({
              left,
              over: over.map(({ start, end, kind }) => `${kind}: ${prompt.text.slice(start, end)}`),
            }),
          );
      });
    }
  }
}

/** `--again` takes those of the last time, to try what comes after the weights. */
function foldTaggers(): TaggerData[] {
  const file = 'out/tagger-folds.json';
  if (process.argv.includes('--again')) return JSON.parse(readFileSync(file, 'utf8')) as TaggerData[];
  const taggers = Array.from({ length: FOLDS }, (_, fold) =>
    trainOn(train.filter((__, at) => at % FOLDS !== fold)),
  );
  writeFileSync(file, JSON.stringify(taggers));
  return taggers;
}

async function write(data: TaggerData): Promise<void> {
  const lines = [
    '/** Written by `npm run tagger`. Weights of the tagger and its sets of words; detect-tagger.ts says what is what. */',
    "import type { TaggerData } from './detect-tagger.ts';",
    '',
    'export const taggerData: TaggerData = {',
    ...Object.entries(data).map(
      ([key, value]) => `  ${key}: ${Array.isArray(value) ? `[${value.join(', ')}]` : `'${value}'`},`,
    ),
    '};',
    '',
  ];
  const source = await format(lines.join('\n'), { parser: 'typescript', ...(await resolveConfig(FILE)) });
  writeFileSync(FILE, source);
  console.log(`${FILE}: ${source.length} bytes, ${gzipSync(source).length} compressed`);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
