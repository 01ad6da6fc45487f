import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gumbelOf, noiseBits, setNoiseKey } from './gumbel.ts';
import { createSamplerScratch, pickToken } from './sampler.ts';
import type { Sampling } from './session.ts';

const plain: Sampling = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 1,
  choice: 0,
  statistics: false,
  topCount: 0,
};
const greedy: Sampling = { ...plain, temperature: 0 };
const pick = (logits: number[], sampling: Partial<Sampling> = {}, position = 0): number =>
  pickToken(Float32Array.from(logits), { ...plain, ...sampling }, position).id;
const filled = (length: number, value: number): number[] => Array.from({ length }, () => value);
/** Which ids come up in `count` positions. */
const support = (logits: number[], sampling: Partial<Sampling>, count = 400): number[] => {
  const ids = Array.from({ length: count }, (_, position) => pick(logits, sampling, position));
  return [...new Set(ids)].sort((a, b) => a - b);
};

/** The rules once more, with everything computed in full: every token ranked, every exp, every log. */
function pickNaively(raw: Float32Array, s: Sampling, position: number): number {
  const logits = Float32Array.from(raw, (logit, id) =>
    Math.fround(logit + Math.fround(s.bias?.get(id) ?? 0)),
  );
  logits.forEach((logit, id) => {
    const count = s.seen?.output.get(id) ?? 0;
    if (!s.seen || (count === 0 && !s.seen.prompt.has(id))) return;
    const repeated = logit * Math.fround(logit > 0 ? 1 / s.repetitionPenalty : s.repetitionPenalty);
    const less = count > 0 ? s.frequencyPenalty * count + s.presencePenalty : 0;
    logits[id] = Math.fround(repeated) - Math.fround(less);
  });
  let ranked = [...logits.keys()]
    .filter((id) => logits[id]! > -Infinity)
    .sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! > logits[a]! ? 1 : -1));
  const best = ranked[0]!;
  if (s.temperature === 0) return best;
  const scaled = (id: number): number =>
    logits[id] === logits[best] ? 0 : (logits[id]! - logits[best]!) * (1 / s.temperature);
  if (s.topK > 0) ranked = ranked.slice(0, s.topK);
  const mass = ranked.reduce((sum, id) => sum + Math.exp(scaled(id)), 0);
  let sum = 0;
  let kept = 0;
  while (kept < ranked.length && (kept === 0 || sum < s.topP * mass))
    sum += Math.exp(scaled(ranked[kept++]!));
  if (s.topP < 1) ranked = ranked.slice(0, kept);
  ranked = ranked.filter((id) => scaled(id) >= Math.log(s.minP));
  const key = { first: 0, second: 0 };
  setNoiseKey(key, s.seed, s.choice, position);
  const total = (id: number): number => {
    const u = ((noiseBits(key, id) >>> 0) + 0.5) / 2 ** 32;
    return scaled(id) - Math.log(-Math.log(u));
  };
  return ranked.reduce((winner, id) => (total(id) > total(winner) ? id : winner));
}

const vocabSize = fc.integer({ min: 1, max: 300 });
const logit = fc.oneof(
  { weight: 8, arbitrary: fc.float({ min: -30, max: 30, noNaN: true }) },
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(NaN, -Infinity, -3e38, 3e38) },
);
const off = <T>(value: T, on: fc.Arbitrary<T>): fc.Arbitrary<T> => fc.oneof(fc.constant(value), on);
const id = fc.nat(320);
const sampling: fc.Arbitrary<Sampling> = fc.record({
  bias: fc.dictionary(id.map(String), fc.double({ min: -20, max: 20, noNaN: true })).map(toMap),
  repetitionPenalty: off(1, fc.double({ min: 0.5, max: 2, noNaN: true })),
  frequencyPenalty: off(0, fc.double({ min: -2, max: 2, noNaN: true })),
  presencePenalty: off(0, fc.double({ min: -2, max: 2, noNaN: true })),
  seen: fc.record({
    prompt: fc.uniqueArray(id).map((ids) => new Set(ids)),
    output: fc.dictionary(id.map(String), fc.nat(4)).map(toMap),
  }),
  temperature: fc.oneof(fc.constantFrom(0, 1, 5e-324, 1e300), fc.double({ min: 0.05, max: 4, noNaN: true })),
  topK: off(0, fc.integer({ min: 1, max: 320 })),
  topP: off(1, fc.double({ min: 0, max: 1, noNaN: true })),
  minP: off(0, fc.double({ min: 0, max: 1, noNaN: true })),
  seed: fc.nat(0xffffffff),
  choice: fc.nat(8),
  statistics: fc.boolean(),
  topCount: fc.nat(5),
});
function toMap(record: Record<string, number>): Map<number, number> {
  return new Map(Object.entries(record).map(([key, value]) => [Number(key), value]));
}
const anyLogits = vocabSize.chain((length) =>
  fc.array(logit, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values)),
);

describe('pickToken', () => {
  it('picks what computing everything in full picks, whatever the parameters, and leaves the logits alone', () => {
    const scratch = createSamplerScratch();
    fc.assert(
      fc.property(anyLogits, sampling, fc.nat(9000), (logits, s, position) => {
        fc.pre(logits.some((value) => value > -Infinity));
        const before = logits.slice();
        expect(pickToken(logits, s, position, scratch).id).toBe(pickNaively(logits, s, position));
        expect(logits).toEqual(before);
      }),
      { seed: 20261125, numRuns: 4000 },
    );
  });

  it('picks what computing everything in full picks from a vocabulary of 49,152', () => {
    const scratch = createSamplerScratch();
    const logits = peakedLogits(49_152);
    for (const s of [
      plain,
      { ...plain, temperature: 2 },
      { ...plain, topP: 0.95 },
      { ...plain, topK: 40, topP: 0.9, temperature: 0.7 },
      { ...plain, minP: 0.001, temperature: 3 },
      { ...plain, topK: 5000, temperature: 4 },
    ]) {
      for (let position = 0; position < 6; position++) {
        expect(pickToken(logits, s, position, scratch).id).toBe(pickNaively(logits, s, position));
      }
    }
  });

  it('is greedy at temperature 0, and a tie goes to the lowest id', () => {
    expect(pick([1, 3, 2, 3], { temperature: 0 })).toBe(1);
    expect(pick([-5, -5], { temperature: 0 })).toBe(0);
    expect(pick([1, 3, 2, 3], { topK: 1 })).toBe(1);
    expect(support([1, 3, 2, 3, 3], { topK: 2 })).toEqual([1, 3]);
    expect(support([1, 1, 1, 1], { topP: 0.5 })).toEqual([0, 1]);
  });

  it('gives the same token for the same seed, choice and position, and another mixture for others', () => {
    const logits = filled(1000, 0);
    expect(pick(logits, { seed: 7 }, 3)).toBe(pick(logits, { seed: 7 }, 3));
    const ids = [pick(logits, { seed: 7 }, 3), pick(logits, { seed: 8 }, 3), pick(logits, { seed: 7 }, 4)];
    ids.push(pick(logits, { seed: 7, choice: 1 }, 3));
    expect(new Set(ids).size).toBe(4);
  });

  it('does not depend on what was picked before', () => {
    const scratch = createSamplerScratch();
    const logits = peakedLogits(500);
    const modes: Partial<Sampling>[] = [
      { topK: 30 },
      { topP: 0.5 },
      { bias: new Map([[3, 9]]) },
      { statistics: true },
    ];
    const alone = modes.map((mode) => pickToken(logits, { ...plain, ...mode }, 11));
    const together = modes.map((mode) => pickToken(logits, { ...plain, ...mode }, 11, scratch));
    expect(together).toEqual(alone);
  });

  it('never lets NaN or minus infinity win, and lets plus infinity', () => {
    expect(pick([NaN, -2, NaN], { temperature: 0 })).toBe(1);
    expect(support([NaN, 0, -Infinity, 0], { temperature: 100 })).toEqual([1, 3]);
    expect(support([NaN, 0, -Infinity, 0], { temperature: 100, topK: 3, topP: 0.99 })).toEqual([1, 3]);
    expect(support([5, Infinity, 3, Infinity], {})).toEqual([1, 3]);
    expect(support([5, Infinity, 3, Infinity], { topP: 0.9, minP: 0.1 })).toEqual([1, 3]);
  });

  it('calls it a broken invariant when no token is possible', () => {
    for (const temperature of [0, 1]) {
      expect(() => pick([NaN, -Infinity], { temperature })).toThrow('none of the 2 tokens is possible');
      expect(() => pick([], { temperature })).toThrow('none of the 0 tokens is possible');
    }
  });

  it('draws from extremes: one token, equal logits of any size, the smallest and largest temperatures', () => {
    expect(pick([-7])).toBe(0);
    expect(support([3e38, 3e38], {})).toEqual([0, 1]);
    expect(support([0, 1], { temperature: 5e-324 })).toEqual([1]);
    expect(support([1, 1], { temperature: 5e-324 })).toEqual([0, 1]);
    expect(support([-3e38, 3e38], { temperature: 1e300 })).toEqual([0, 1]);
  });
});

describe('the steps before the choice', () => {
  it('adds the bias first', () => {
    expect(pick([0, 1], { temperature: 0, bias: new Map([[0, 2]]) })).toBe(0);
    expect(
      pick([0, 1], {
        temperature: 0,
        bias: new Map([
          [1, -Infinity],
          [9, 99],
        ]),
      }),
    ).toBe(0);
    const seen = { prompt: new Set([0]), output: new Map<number, number>() };
    // (-1 + 4) / 2 = 1.5; the penalty first would give -2 + 4 = 2.
    expect(pick([-1, 1.75], { temperature: 0, bias: new Map([[0, 4]]), seen, repetitionPenalty: 2 })).toBe(1);
  });

  it('applies the repetition penalty once to each token of prompt or output, away from its sign', () => {
    const seen = { prompt: new Set([0, 1]), output: new Map([[1, 3]]) };
    const penalised = { temperature: 0, repetitionPenalty: 2, seen };
    expect(pick([4, 4.5, 2.2], penalised)).toBe(1);
    expect(pick([4, 4.5, 2.3], penalised)).toBe(2);
    expect(pick([-1, -1.1, -1.9], penalised)).toBe(2);
    expect(pick([-1, -1.1, -2.1], penalised)).toBe(0);
  });

  it('subtracts the frequency penalty for each occurrence in the output and the presence penalty once', () => {
    const seen = {
      prompt: new Set([1]),
      output: new Map([
        [0, 3],
        [2, 0],
      ]),
    };
    expect(pick([3, 1.6], { temperature: 0, frequencyPenalty: 0.5, seen })).toBe(1);
    expect(pick([3, 1.4], { temperature: 0, frequencyPenalty: 0.5, seen })).toBe(0);
    expect(pick([3, 2.6], { temperature: 0, presencePenalty: 0.5, seen })).toBe(1);
    expect(pick([3, 2.4], { temperature: 0, presencePenalty: 0.5, seen })).toBe(0);
    expect(pick([0, 1, 1.1], { temperature: 0, presencePenalty: 1, frequencyPenalty: 1, seen })).toBe(2);
  });

  it('truncates by top-p after temperature', () => {
    // Probabilities .64 .24 .09 .03; at temperature 3 they are .41 .29 .21 .09.
    const logits = [3, 2, 1, 0];
    expect(support(logits, { topP: 0.6 })).toEqual([0]);
    expect(support(logits, { topP: 0.6, temperature: 3 })).toEqual([0, 1]);
    expect(support(logits, { topP: 0 })).toEqual([0]);
  });

  it('truncates by top-p among what top-k left', () => {
    // Of all, the first two hold 0.71; of the first three, 0.78.
    const logits = [1, 0.9, 0, -0.01];
    expect(support(logits, { topP: 0.75 })).toEqual([0, 1, 2]);
    expect(support(logits, { topP: 0.75, topK: 3 })).toEqual([0, 1]);
  });

  it('truncates by min-p relative to the best token, after temperature', () => {
    expect(support([0, -1, -2], { minP: 0.3 })).toEqual([0, 1]);
    expect(support([0, -1, -2], { minP: 0.3, temperature: 2 })).toEqual([0, 1, 2]);
    expect(support([0, 0, -1], { minP: 1 })).toEqual([0, 1]);
  });
});

describe('the statistics', () => {
  const probabilities = [0.5, 0.25, 0.125, 0.125];
  const logits = Float32Array.from(probabilities, (p) => Math.log(p) + 3);

  it('are of the raw logits, whatever was done before the choice', () => {
    const bias = new Map([[2, 50]]);
    const result = pickToken(logits, { ...plain, bias, temperature: 0.1, statistics: true, topCount: 3 }, 0);
    expect(result.id).toBe(2);
    expect(result.logprob).toBeCloseTo(Math.log(0.125), 6);
    expect(result.margin).toBeCloseTo(Math.LN2, 6);
    expect(result.entropy).toBeCloseTo(1.75 * Math.LN2, 6);
    expect(result.top?.map(({ id: token }) => token)).toEqual([0, 1, 2]);
    result.top?.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(Math.log(probabilities[i]!), 6));
  });

  it('are NaN and absent when nobody asked', () => {
    expect(pickToken(logits, { ...greedy, topCount: 3 }, 0)).toEqual({
      id: 0,
      logprob: NaN,
      margin: NaN,
      entropy: NaN,
    });
  });

  it('agree with their definitions for any logits', () => {
    const finite = fc.array(fc.float({ min: -40, max: 40, noNaN: true }), { minLength: 2, maxLength: 200 });
    fc.assert(
      fc.property(finite, fc.nat(9), (values, topCount) => {
        const raw = Float32Array.from(values);
        const result = pickToken(raw, { ...plain, statistics: true, topCount }, 0);
        const largest = Math.max(...raw);
        const mass = raw.reduce((sum, value) => sum + Math.exp(value - largest), 0);
        const logprobs = Array.from(raw, (value) => value - largest - Math.log(mass));
        const sorted = logprobs.toSorted((a, b) => b - a);
        expect(result.logprob).toBeCloseTo(logprobs[result.id]!, 9);
        expect(result.margin).toBeCloseTo(sorted[0]! - sorted[1]!, 9);
        expect(result.entropy).toBeCloseTo(-logprobs.reduce((sum, p) => sum + p * Math.exp(p), 0), 8);
        expect(result.top?.map(({ logprob }) => logprob.toFixed(8)) ?? []).toEqual(
          sorted.slice(0, topCount).map((p) => (p + 0).toFixed(8)),
        );
      }),
      { seed: 20261125 },
    );
  });

  it('count NaN and minus infinity as impossible, and know one token', () => {
    const holes = pickToken(
      Float32Array.of(NaN, 0, -Infinity, 0),
      { ...greedy, statistics: true, topCount: 4 },
      0,
    );
    expect(holes.logprob).toBeCloseTo(-Math.LN2, 12);
    expect(holes.entropy).toBeCloseTo(Math.LN2, 12);
    expect(holes.top?.map(({ id: token }) => token)).toEqual([1, 3]);
    expect(pickToken(Float32Array.of(4), { ...plain, statistics: true }, 0)).toEqual({
      id: 0,
      logprob: 0,
      margin: Infinity,
      entropy: 0,
    });
  });
});

describe('the distribution', () => {
  /** 99.99 % of honest samples lie below, for 7, 15, 63 and 215 degrees of freedom. */
  const limits: Record<number, number> = { 7: 29.9, 15: 44.3, 63: 112.3, 215: 300.9 };

  function chiSquareOf(counts: number[], shares: number[]): number {
    const total = counts.reduce((a, b) => a + b, 0);
    return counts.reduce(
      (sum, count, i) => sum + (count - total * shares[i]!) ** 2 / (total * shares[i]!),
      0,
    );
  }
  function expectShares(counts: number[], shares: number[]): void {
    expect(chiSquareOf(counts, shares)).toBeLessThan(limits[counts.length - 1]!);
  }
  const softmax = (values: number[]): number[] => {
    const mass = values.reduce((sum, value) => sum + Math.exp(value), 0);
    return values.map((value) => Math.exp(value) / mass);
  };

  it('of tokens over positions, over seeds and over choices is the softmax', () => {
    const logits = [2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5];
    const ways: ((i: number) => number)[] = [
      (i) => pick(logits, { seed: 5 }, i),
      (i) => pick(logits, { seed: i }, 5),
      (i) => pick(logits, { seed: 5, choice: i }, 5),
    ];
    for (const draw of ways) {
      const counts = filled(8, 0);
      for (let i = 0; i < 40_000; i++) counts[draw(i)]!++;
      expectShares(counts, softmax(logits));
    }
  });

  it('keeps to the softmax at another temperature and after truncation', () => {
    const logits = [2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5, -9, -9.5];
    const counts = filled(8, 0);
    for (let i = 0; i < 40_000; i++) counts[pick(logits, { temperature: 1.7, topK: 8 }, i)]!++;
    expectShares(counts, softmax(logits.slice(0, 8).map((value) => value / 1.7)));
  });

  it('of three tokens in a row is the product of their laws', () => {
    const after = [0, 1, 2, 3, 4, 5].map((last) =>
      [0, 1, 2, 3, 4, 5].map((id) => Math.sin(7 * last + 3 * id)),
    );
    const counts = filled(216, 0);
    for (let seed = 0; seed < 60_000; seed++) {
      const first = pick(after[0]!, { seed }, 0);
      const second = pick(after[first]!, { seed }, 1);
      counts[(first * 6 + second) * 6 + pick(after[second]!, { seed }, 2)]!++;
    }
    const laws = after.map(softmax);
    const shares = counts.map((_, i) => {
      const [first, second, third] = [Math.floor(i / 36), Math.floor(i / 6) % 6, i % 6];
      return laws[0]![first]! * laws[first]![second]! * laws[second]![third]!;
    });
    expectShares(counts, shares);
  });

  it('is tested sharply enough to notice that a hundredth of the mass is elsewhere', () => {
    const logits = [2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5];
    const counts = filled(8, 0);
    for (let i = 0; i < 400_000; i++) counts[pick(logits, {}, i)]!++;
    expectShares(counts, softmax(logits));
    // Between the two likeliest tokens it is hardest to see.
    const biased = [...counts];
    const moved = Math.round(0.01 * 400_000);
    biased[0]! -= moved;
    biased[1]! += moved;
    expect(chiSquareOf(biased, softmax(logits))).toBeGreaterThan(3 * limits[7]!);
  });

  it('gives rare tokens of a large vocabulary their share together', () => {
    // Token 0 has half of the mass, 2,000 others share the rest; they are counted in 7 groups.
    const logits = new Float32Array(2001);
    logits[0] = Math.log(2000);
    const counts = filled(8, 0);
    const scratch = createSamplerScratch();
    for (let i = 0; i < 20_000; i++) {
      const { id: token } = pickToken(logits, plain, i, scratch);
      counts[token === 0 ? 0 : 1 + (token % 7)]!++;
    }
    const members = [...logits.keys()].slice(1);
    const share = (group: number): number => members.filter((token) => token % 7 === group).length / 4000;
    expectShares(counts, [0.5, ...Array.from({ length: 7 }, (_, group) => share(group))]);
  });

  it('of picks at neighbouring positions and of neighbouring tokens shows no dependence', () => {
    const pairs = filled(64, 0);
    const logits = filled(8, 0);
    for (let i = 0; i < 40_000; i++) pairs[pick(logits, {}, i) * 8 + pick(logits, {}, i + 1)]!++;
    expectShares(pairs, filled(64, 1 / 64));
    const bits = filled(16, 0);
    const key = { first: 0, second: 0 };
    setNoiseKey(key, 3, 0, 17);
    for (let token = 0; token < 40_000; token++) {
      bits[(noiseBits(key, token) >>> 30) * 4 + (noiseBits(key, token + 1) >>> 30)]!++;
    }
    expectShares(bits, filled(16, 1 / 16));
  });
});

describe('the noise', () => {
  it('is Gumbel: its log of minus log is that of the platform', () => {
    for (const bits of [0, 1, 12345, 0x7fffffff, -0x80000000, -2, -1]) {
      const u = ((bits >>> 0) + 0.5) / 2 ** 32;
      expect(gumbelOf(bits)).toBeCloseTo(-Math.log(-Math.log(u)), 10);
    }
  });
});

/** Like a model's: most tokens far below a few. */
function peakedLogits(size: number): Float32Array {
  const key = { first: 0, second: 0 };
  setNoiseKey(key, 99, 0, 0);
  return Float32Array.from({ length: size }, (_, token) => 1.5 * gumbelOf(noiseBits(key, token)) - 4);
}
