/**
 * What the GPU picks is what the CPU picks from the same logits, whatever they and the parameters are; and what it cannot
 * settle it leaves alone.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../../../test/models/random.ts';
import { GREEDY } from '../greedy.ts';
import { gumbelOf, noiseBits, setNoiseKey } from '../gumbel.ts';
import { pickToken } from '../sampler.ts';
import type { Pick, PickRequest, Sampling } from '../session.ts';
import { encode } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import { openGpu } from './gpu.ts';
import type { Gpu } from './gpu.ts';
import { RESULT_WORDS } from './sampling-parts.ts';
import { createGpuSampler } from './sampling.ts';
import { STEP_BYTES, stepWords } from './step.ts';

/** Software GPUs compile slowly. */
const PATIENCE_MS = 60_000;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu(navigator.gpu);
}, PATIENCE_MS);
afterAll(() => {
  gpu.check();
  gpu.destroy();
});

const SAMPLED: Sampling = { ...GREEDY, temperature: 1 };
const random = seeded(3);
const oneOf = <T>(...all: readonly T[]): T => all[random.below(all.length)]!;
const POSITION = 40;

interface Run {
  picks: (Pick | undefined)[];
  dispatches: number;
}

/** Samplers of the vocabularies, which rows may have fewer candidates than. */
const VOCABULARIES = [5001, 262_144];
const samplers = new Map<number, Awaited<ReturnType<typeof openSampler>>>();
afterAll(() => {
  for (const { close } of samplers.values()) close();
});

async function openSampler(vocabSize: number): Promise<{
  run(rows: readonly Float32Array[], samplings: readonly Sampling[], candidates: number): Promise<Run>;
  close(): void;
}> {
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = USE;
  const stride = Math.ceil(vocabSize / 4) * 4;
  const step = gpu.createBuffer(STEP_BYTES, UNIFORM | COPY_DST, 'step');
  const sampler = await createGpuSampler(gpu, { vocabSize, stride }, step);
  return {
    async run(rows, samplings, candidates) {
      const logits = gpu.createBuffer(rows.length * stride * 4, STORAGE | COPY_DST | COPY_SRC, 'logits');
      const bytes = rows.length * RESULT_WORDS * 4;
      const staging = gpu.createBuffer(bytes, COPY_DST | MAP_READ, 'staging');
      rows.forEach((row, i) => gpu.device.queue.writeBuffer(logits, i * stride * 4, row.slice()));
      const requests: PickRequest[] = samplings.map((sampling, row) => ({ row, sampling }));
      const numbers = { rows: rows.length, position: POSITION, wanted: rows.length, candidates };
      gpu.device.queue.writeBuffer(step, 0, stepWords(numbers));
      const program = sampler.program(requests, logits, POSITION);
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(gpu, pass, program, numbers);
      pass.end();
      encoder.copyBufferToBuffer(sampler.results, 0, staging, 0, bytes);
      gpu.submit(encoder);
      const picks = sampler.picks(await gpu.read(staging, bytes), requests, POSITION);
      gpu.freeBuffer(logits);
      gpu.freeBuffer(staging);
      return { picks, dispatches: program.length };
    },
    close() {
      sampler.dispose();
      gpu.freeBuffer(step);
    },
  };
}

async function run(
  rows: readonly Float32Array[],
  samplings: readonly Sampling[],
  candidates = rows[0]!.length,
): Promise<Run> {
  const vocabSize = VOCABULARIES.find((size) => size >= rows[0]!.length)!;
  const sampler = samplers.get(vocabSize) ?? (await openSampler(vocabSize));
  samplers.set(vocabSize, sampler);
  return sampler.run(rows, samplings, candidates);
}

const onCpu = (row: Float32Array, sampling: Sampling, index: number): number =>
  pickToken(row, sampling, POSITION + index + 1).id;

/** A row like a model's, or one with ties, or with what no model should give. */
function someLogits(count: number, kind: 'peaked' | 'ties' | 'odd'): Float32Array {
  const logit = (): number => {
    if (kind === 'ties') return random.below(5) - 2;
    if (kind === 'odd' && random.below(4) === 0) return oneOf(NaN, -Infinity, -3e38, 0, -0, 1e-30, -7);
    return 3 * random.normal() - 4;
  };
  const row = Float32Array.from({ length: count }, logit);
  if (kind !== 'ties') row[random.below(count)] = 9;
  if (kind === 'odd' && random.below(3) === 0) row[random.below(count)] = 3e38;
  return row;
}

function someSampling(vocabSize: number): Sampling {
  const id = (): number => random.below(vocabSize + 9);
  const ids = (count: number): number[] => Array.from({ length: count }, id);
  const isChanged = random.below(2) === 0;
  return {
    ...GREEDY,
    temperature: oneOf(0, 1, 0.7, 2, 0.05, 30, random.next() + 0.1),
    minP: oneOf(0, 0, 0.05, 0.5, 1, random.next()),
    seed: Math.floor(random.next() * 2 ** 32),
    choice: random.below(3),
    topK: oneOf(0, 0, 0, 1, 2, 5, 40, 1 + random.below(900)),
    topP: oneOf(1, 1, 0.95, 0.5, 0, random.next()),
    statistics: random.below(3) === 0,
    ...(isChanged
      ? {
          bias: new Map(ids(random.below(6)).map((token) => [token, random.normal() * 10])),
          repetitionPenalty: oneOf(1, 1.1, 0.8, 1.3),
          frequencyPenalty: oneOf(0, 0.3, -0.7),
          presencePenalty: oneOf(0, 0.4),
          seen: {
            prompt: new Set(ids(random.below(90))),
            output: new Map(ids(random.below(90)).map((token) => [token, random.below(4)])),
          },
        }
      : {}),
  };
}

describe.each([1, 7, 320, 2049, 5001])('of %i tokens', (vocabSize) => {
  test.each(['peaked', 'ties', 'odd'] as const)('the picks are those of the CPU (%s)', async (kind) => {
    const rows = Array.from({ length: 48 }, () => someLogits(vocabSize, kind));
    const samplings = rows.map(() => someSampling(vocabSize));
    const { picks } = await run(rows, samplings);
    let settled = 0;
    picks.forEach((pick, i) => {
      if (!pick) return;
      settled += 1;
      const at = `row ${i} at temperature ${samplings[i]!.temperature}`;
      expect(pick.id, at).toBe(onCpu(rows[i]!, samplings[i]!, i));
    });
    // Of ties there may be more within the error than a result has room for, of flat rows more within top-p.
    expect(settled).toBeGreaterThanOrEqual(30);
  });
});

test('of 262,144 tokens, and of fewer candidates, too, all is settled for usual parameters', async () => {
  const kinds = ['peaked', 'ties', 'peaked', 'peaked', 'peaked', 'peaked'] as const;
  const rows = kinds.map((kind) => someLogits(262_144, kind));
  for (const row of rows.slice(3)) row[77] = 18;
  const samplings: Sampling[] = [
    SAMPLED,
    GREEDY,
    { ...SAMPLED, temperature: 1.5, minP: 0.01, statistics: true },
    { ...SAMPLED, temperature: 0.7, topK: 40, topP: 0.95 },
    { ...SAMPLED, temperature: 0.8, topP: 0.9, seed: 6 },
    { ...SAMPLED, temperature: 0.1, topK: 64, minP: 0.05, seed: 9 },
  ];
  const { picks } = await run(rows, samplings);
  expect(picks.map((pick) => pick?.id)).toEqual(rows.map((row, i) => onCpu(row, samplings[i]!, i)));
  const limited = await run(rows, samplings, 70_001);
  expect(limited.picks.map((pick) => pick?.id)).toEqual(
    rows.map((row, i) => onCpu(row.subarray(0, 70_001), samplings[i]!, i)),
  );
});

test('sums that only doubles tell apart are settled as in doubles', async () => {
  const count = 500;
  const key = { first: 0, second: 0 };
  const rows: Float32Array[] = [];
  for (let i = 0; i < 64; i++) {
    setNoiseKey(key, 5, 0, POSITION + i + 1);
    // Token 0 and another are given sums that are the same but for what f32 leaves over.
    const other = 1 + random.below(63);
    const row = new Float32Array(count).fill(-60);
    row[0] = 2;
    row[other] = 2 + gumbelOf(noiseBits(key, 0)) - gumbelOf(noiseBits(key, other));
    rows.push(row);
  }
  const samplings = rows.map(() => ({ ...SAMPLED, seed: 5 }));
  const { picks } = await run(rows, samplings);
  const expected = rows.map((row, i) => onCpu(row, samplings[i]!, i));
  expect(picks.map((pick) => pick?.id)).toEqual(expected);
  const first = expected.filter((id) => id === 0).length;
  expect(first).toBeGreaterThan(10);
  expect(first).toBeLessThan(54);
});

test('a token at the very bound of min-p is in or out as on the CPU', async () => {
  const count = 300;
  const rows: Float32Array[] = [];
  const samplings: Sampling[] = [];
  for (let i = 0; i < 64; i++) {
    const row = Float32Array.from({ length: count }, () => -20 * random.next() - 10);
    row[5] = 4;
    for (let near = 6; near < 8; near++) row[near] = 4 + Math.log(0.3) + (random.next() - 0.5) * 1e-6;
    rows.push(row);
    samplings.push({ ...SAMPLED, minP: 0.3, seed: i });
  }
  const { picks } = await run(rows, samplings);
  picks.forEach((pick, i) => expect(pick?.id).toBe(onCpu(rows[i]!, samplings[i]!, i)));
});

test('statistics are those of the raw logits', async () => {
  const rows = Array.from({ length: 8 }, () => someLogits(3000, 'peaked'));
  const bias = new Map([[17, 30]]);
  const samplings = rows.map((_, i) => ({ ...(i % 2 ? SAMPLED : { ...GREEDY, bias }), statistics: true }));
  const { picks } = await run(rows, samplings);
  picks.forEach((pick, i) => {
    const expected = pickToken(rows[i]!, samplings[i]!, POSITION + i + 1);
    expect(pick?.id).toBe(expected.id);
    for (const name of ['logprob', 'margin', 'entropy'] as const) {
      expect(pick?.[name], name).toBeCloseTo(expected[name], 4);
    }
  });
  const [alone] = (await run([Float32Array.of(NaN, 2, -Infinity)], [{ ...GREEDY, statistics: true }])).picks;
  expect(alone).toEqual({ id: 1, logprob: 0, margin: Infinity, entropy: 0 });
});

test('what it cannot settle it leaves: infinite logits, no token at all, lists, extreme parameters', async () => {
  const usual = someLogits(320, 'peaked');
  const infinite = usual.map((logit, id) => (id === 3 ? Infinity : logit));
  const cases: [Float32Array, Sampling][] = [
    [infinite, SAMPLED],
    [usual.map(() => NaN), SAMPLED],
    [usual.map(() => -Infinity), GREEDY],
    [new Float32Array(320), { ...SAMPLED, temperature: 1e6 }],
    [usual, { ...SAMPLED, topK: 1025 }],
    [usual, { ...SAMPLED, topP: 0.99999 }],
    [usual, { ...SAMPLED, statistics: true, topCount: 3 }],
    [usual, { ...SAMPLED, temperature: 5e-324 }],
    [usual, { ...SAMPLED, temperature: 1e300 }],
    [infinite, GREEDY],
  ];
  const { picks } = await run(
    cases.map(([row]) => row),
    cases.map(([, sampling]) => sampling),
  );
  expect(picks.map((pick) => pick?.id)).toEqual([
    undefined,
    undefined,
    undefined,
    expect.any(Number),
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    3,
  ]);
});

test('takes two dispatches where nothing is random, three with noise, five with top-k or top-p, and a result of 64 bytes', async () => {
  const rows = [someLogits(320, 'peaked')];
  expect((await run(rows, [GREEDY])).dispatches).toBe(2);
  expect((await run(rows, [SAMPLED])).dispatches).toBe(3);
  expect((await run(rows, [{ ...SAMPLED, topK: 40, topP: 0.9 }])).dispatches).toBe(5);
  expect(RESULT_WORDS * 4).toBe(64);
});
