/**
 * Sampling where the logits are. The GPU's picks are the CPU's (../sampler.ts) for the same logits: it does exactly what is exact
 * in f32 (order of logits, ties, bias and penalties, the bits of the noise), and where the CPU has doubles it keeps every token
 * that may be the winner within its error. Those are one, hardly ever two or three, come back with their logits, and are settled
 * by the CPU's own rule. Proof: if w wins in doubles and s is any token that is surely allowed, then
 * sum(s) <= exact(s) + error <= exact(w) + error <= sum(w) + 2 error, so w is within twice the error of the largest such sum.
 *
 * A row that cannot be settled so (four within the error, a token at the very bound of top-p, more than 1,024 within top-k or
 * top-p, an infinite logit, lists of top tokens, a temperature beyond a million or its inverse) is left to be picked from its logits. Logits that f32 holds as subnormal count as
 * zero where a GPU says so.
 */
import { distanceBelow } from '../distribution.ts';
import { setNoiseKey } from '../gumbel.ts';
import { createSamplerScratch, inverseOf, largestSumOf } from '../sampler.ts';
import type { Pick, PickRequest, Sampling } from '../session.ts';
import type { Dispatch } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import type { Gpu } from './gpu.ts';
import { bestKernel, changeKernel, copyKernel, noiseKernel, pickKernel } from './sampling-kernels.ts';
import {
  changeWords,
  changesOf,
  floorOf,
  hasNoise,
  isForGpu,
  isUntruncated,
  logitOfRank,
  wantsOf,
  writeParameters,
} from './sampling-parameters.ts';
import type { Change } from './sampling-parameters.ts';
import {
  CHUNK,
  FOUND_WORDS,
  MOST_CANDIDATES,
  PARAMETER_WORDS,
  RESULT_WORDS,
  WANTS,
} from './sampling-parts.ts';
import { shareKernel } from './sampling-shares.ts';
import { COUNT_WORDS, MOST_SORTED, countKernel, gatherKernel, sortKernel } from './sampling-truncation.ts';
import type { StepNumbers } from './step.ts';

const KERNELS = ['copy', 'change', 'best', 'noise', 'count', 'gather', 'sort', 'share', 'pick'] as const;
type Kernel = (typeof KERNELS)[number];

export interface SamplerShape {
  vocabSize: number;
  /** Floats of a row of logits. */
  stride: number;
}

export async function createGpuSampler(
  gpu: Gpu,
  { vocabSize, stride }: SamplerShape,
  step: GPUBuffer,
): Promise<GpuSampler> {
  const chunks = Math.ceil(vocabSize / CHUNK);
  const sources: Record<Kernel, string> = {
    copy: copyKernel(stride),
    change: changeKernel(stride),
    best: bestKernel(stride, chunks),
    noise: noiseKernel(stride, chunks),
    count: countKernel(stride, chunks),
    gather: gatherKernel(stride, chunks),
    sort: sortKernel(chunks),
    share: shareKernel(stride, chunks),
    pick: pickKernel(stride, chunks),
  };
  const pipelines = await Promise.all(
    KERNELS.map((name) => gpu.pipeline(sources[name], `sampling: ${name}`)),
  );
  const byName = Object.fromEntries(KERNELS.map((name, i) => [name, pipelines[i]!]));
  return new GpuSampler(gpu, { stride, chunks, step }, byName as Record<Kernel, GPUComputePipeline>);
}

const BUFFERS = [
  'parameters',
  'changes',
  'changed',
  'best',
  'found',
  'counts',
  'masses',
  'listed',
  'shares',
  'results',
] as const;
type BufferName = (typeof BUFFERS)[number];

export class GpuSampler {
  readonly #gpu: Gpu;
  readonly #shape: { stride: number; chunks: number; step: GPUBuffer };
  readonly #pipelines: Record<Kernel, GPUComputePipeline>;
  readonly #buffers = new Map<BufferName, GPUBuffer>();
  readonly #scratch = createSamplerScratch();
  #groups: Record<Kernel, GPUBindGroup> | undefined;
  #logits: GPUBuffer | undefined;

  constructor(
    gpu: Gpu,
    shape: { stride: number; chunks: number; step: GPUBuffer },
    pipelines: Record<Kernel, GPUComputePipeline>,
  ) {
    this.#gpu = gpu;
    this.#shape = shape;
    this.#pipelines = pipelines;
  }

  /** RESULT_WORDS for each row of the last program, to be copied and read by `picks`. */
  get results(): GPUBuffer {
    return this.#buffer('results');
  }

  /**
   * What finds the picks of `requests` from their rows of `logits`, after those are computed. `position` is the step's. Writes
   * the rows' parameters at once.
   */
  program(requests: readonly PickRequest[], logits: GPUBuffer, position: number): Dispatch[] {
    const parameters = new Uint32Array(requests.length * PARAMETER_WORDS);
    const changes: Change[] = [];
    let most = 0;
    requests.forEach(({ row, sampling }, i) => {
      const own = changesOf(sampling);
      writeParameters(parameters.subarray(i * PARAMETER_WORDS), sampling, position + row + 1, {
        at: changes.length,
        count: own.length,
      });
      for (const change of own) changes.push(change);
      most = Math.max(most, own.length);
    });
    this.#makeRoom(requests.length, changes.length, logits);
    const { queue } = this.#gpu.device;
    queue.writeBuffer(this.#buffer('parameters'), 0, parameters);
    if (most > 0) queue.writeBuffer(this.#buffer('changes'), 0, changeWords(changes));
    const samplings = requests.map(({ sampling }) => sampling);
    const wants = samplings.reduce((all, sampling) => all | wantsOf(sampling), 0);
    const rows = requests.length;
    const chunks = ({ candidates }: StepNumbers): [number, number, number] => [
      Math.ceil(candidates / CHUNK),
      rows,
      1,
    ];
    return [
      ...(most > 0
        ? [this.#dispatch('copy', chunks), this.#dispatch('change', () => [Math.ceil(most / 64), rows, 1])]
        : []),
      this.#dispatch('best', chunks),
      ...(samplings.some(isUntruncated) ? [this.#dispatch('noise', chunks)] : []),
      ...(wants & WANTS.truncation
        ? [
            this.#dispatch('count', chunks),
            this.#dispatch('gather', chunks),
            this.#dispatch('sort', () => [1, rows, 1]),
          ]
        : []),
      ...(wants & WANTS.statistics ? [this.#dispatch('share', chunks)] : []),
      this.#dispatch('pick', () => [1, rows, 1]),
    ];
  }

  #dispatch(name: Kernel, groups: Dispatch['groups']): Dispatch {
    return {
      label: `sampling: ${name}`,
      pipeline: this.#pipelines[name],
      bindGroup: () => this.#bound()[name],
      groups,
    };
  }

  /** Buffers for so many rows and changes; bind groups are made again when one is another. */
  #makeRoom(rows: number, changes: number, logits: GPUBuffer): void {
    const { stride, chunks } = this.#shape;
    const sizes: Record<BufferName, number> = {
      parameters: rows * PARAMETER_WORDS,
      changes: changes * 4,
      changed: changes > 0 ? rows * stride : 0,
      best: rows * chunks * 2,
      found: rows * chunks * FOUND_WORDS,
      counts: rows * COUNT_WORDS,
      masses: rows * chunks,
      listed: rows * MOST_SORTED * 2,
      shares: rows * chunks * 4,
      results: rows * RESULT_WORDS,
    };
    for (const [name, words] of Object.entries(sizes) as [BufferName, number][]) {
      const known = this.#buffers.get(name);
      if (known && known.size >= words * 4) continue;
      if (known) this.#gpu.freeBuffer(known);
      const { STORAGE, COPY_SRC, COPY_DST } = USE;
      // What grows with the output doubles.
      const roomy = name === 'changes' ? 2 * words : words;
      this.#buffers.set(name, this.#gpu.createBuffer(roomy * 4, STORAGE | COPY_SRC | COPY_DST, name));
      this.#groups = undefined;
    }
    if (this.#logits !== logits) this.#groups = undefined;
    this.#logits = logits;
  }

  #buffer(name: BufferName): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new Error(`selvedge: sampling has no buffer '${name}' before its first program`);
    return buffer;
  }

  #bound(): Record<Kernel, GPUBindGroup> {
    const { step } = this.#shape;
    const logits = this.#logits;
    if (!logits) throw new Error('selvedge: sampling has no logits before its first program');
    const of = Object.fromEntries(BUFFERS.map((name) => [name, this.#buffer(name)])) as Record<
      BufferName,
      GPUBuffer
    >;
    const { changes, changed, best, found, counts, masses, listed, shares, results } = of;
    const bind = (name: Kernel, buffers: GPUBuffer[]): GPUBindGroup =>
      this.#gpu.bindGroup(this.#pipelines[name], [step, of.parameters, ...buffers], `sampling: ${name}`);
    this.#groups ??= {
      copy: bind('copy', [logits, changed]),
      change: bind('change', [changes, changed]),
      best: bind('best', [logits, changed, best, counts]),
      noise: bind('noise', [logits, changed, best, found]),
      count: bind('count', [logits, changed, best, counts, masses]),
      gather: bind('gather', [logits, changed, best, counts, listed]),
      sort: bind('sort', [counts, masses, listed, found]),
      share: bind('share', [logits, shares]),
      pick: bind('pick', [logits, changed, best, found, shares, results]),
    };
    return this.#groups;
  }

  /** Of the results of a program; undefined for a row that has to be picked from its logits. */
  picks(results: ArrayBuffer, requests: readonly PickRequest[], position: number): (Pick | undefined)[] {
    return requests.map(({ row, sampling }, i) => {
      if (!isForGpu(sampling)) return undefined;
      const from = i * RESULT_WORDS;
      const words = new Uint32Array(results, from * 4, RESULT_WORDS);
      const floats = new Float32Array(results, from * 4, RESULT_WORDS);
      return this.#settle(words, floats, sampling, position + row + 1);
    });
  }

  /** The CPU's rule for the tokens that are left. */
  #settle(words: Uint32Array, floats: Float32Array, sampling: Sampling, position: number): Pick | undefined {
    const count = words[0]!;
    if (count === 0 || count > MOST_CANDIDATES) return undefined;
    const { candidates, key } = this.#scratch;
    candidates.count = count;
    for (let i = 0; i < count; i++) {
      candidates.ids[i] = words[6 + 3 * i]!;
      candidates.logits[i] = floats[7 + 3 * i]!;
    }
    let id = candidates.ids[0]!;
    if (hasNoise(sampling)) {
      setNoiseKey(key, sampling.seed, sampling.choice, position);
      const scale = inverseOf(sampling.temperature);
      id = largestSumOf(candidates, logitOfRank(words[1]!), scale, floorOf(sampling), key);
      if (id < 0) return undefined;
    }
    const pick: Pick = { id, logprob: NaN, margin: NaN, entropy: NaN };
    if (sampling.statistics) {
      const raw = floats[8 + 3 * candidates.ids.subarray(0, count).indexOf(id)]!;
      const [second, logMass, entropy, largest] = [floats[2]!, floats[3]!, floats[4]!, floats[5]!];
      pick.logprob = distanceBelow(largest, raw) - logMass;
      pick.margin = second === LOWEST ? Infinity : -distanceBelow(largest, second);
      pick.entropy = entropy;
    }
    return pick;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) this.#gpu.freeBuffer(buffer);
    this.#buffers.clear();
    this.#groups = undefined;
  }
}

const LOWEST = -(2 - 2 ** -23) * 2 ** 127;
