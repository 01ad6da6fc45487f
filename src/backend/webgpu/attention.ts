/**
 * Attention of a model on the GPU: two dispatches for each layer, the buffers between them, and the pages that they read. A step
 * begins with `begin`, which makes room in the cache and writes what differs: the page of every 64 positions, and the angles.
 */
import { assert } from '../../errors.ts';
import { calibrationIds, checksum, writeCentres } from '../key-centres.ts';
import { smoothingOf } from '../key-smoothing.ts';
import { snapshotFormat } from '../kv-snapshot.ts';
import type { SnapshotFormat } from '../kv-snapshot.ts';
import { PAGE_POSITIONS } from '../page-blocks.ts';
import { writeRotation } from '../rotation.ts';
import type { Rotation } from '../rotation.ts';
import type { ModelShape } from '../session.ts';
import { mergeKernel, rowsKernel, storeKernel, tilesKernel } from './attention-kernels.ts';
import { unitOf, vectorsOf } from './attention-parts.ts';
import {
  MOST_TILED_ROWS,
  attentionShapeOf,
  firstSplitOf,
  lastSplitOf,
  splitsOf,
  turnsOf,
} from './attention-shape.ts';
import type { AttentionShape, Turning } from './attention-shape.ts';
import type { Dispatch } from './dispatch.ts';
import { USE } from './gpu-flags.ts';
import type { Gpu } from './gpu.ts';
import { GpuCache } from './kv-cache.ts';
import { KvPool } from './kv-pool.ts';
import { MAX_ROWS } from './step.ts';

export interface AttentionOptions {
  model: ModelShape;
  kv: 'q8' | 'f32';
  /** Longest sequence of a cache. */
  contextLength: number;
  /** Scores s become cap x tanh(s / cap); 0 is off. */
  softCap?: number;
  /** Of the model's ropes. */
  rotations: readonly Rotation[];
  /** Of a layer, if the model has it. */
  vector(role: 'query-norm' | 'key-norm' | 'key-bias', layer: number): Float32Array | undefined;
  buffers: {
    step: GPUBuffer;
    /** f32 [MAX_ROWS][heads + 2 kvHeads][headSize]: queries, keys, values, with their biases and nothing else done to them. */
    qkv: GPUBuffer;
    /** f32 [MAX_ROWS][heads][headSize]: what comes out. */
    attended: GPUBuffer;
  };
}

type Kernel = 'tiles' | 'merge' | 'store' | 'rows';

interface LayerParts {
  shape: AttentionShape;
  vectors: GPUBuffer;
  pipelines: Record<Kernel, GPUComputePipeline>;
  groups: Record<Kernel, GPUBindGroup>;
}

export async function createAttention(gpu: Gpu, options: AttentionOptions): Promise<Attention> {
  const places = placesOf(options.rotations);
  const layers = options.model.layers.map(async (layer, index) => {
    const { kv, contextLength, softCap = 0 } = options;
    const queryNorm = options.vector('query-norm', index) !== undefined;
    const keyNorm = options.vector('key-norm', index) !== undefined;
    const numbers = { kv, contextLength, softCap, queryNorm, keyNorm };
    const shape = attentionShapeOf(options.model, places[layer.rope], numbers);
    const [tiles, merge, store, rows] = await Promise.all([
      gpu.pipeline(tilesKernel(shape), 'attention tiles'),
      gpu.pipeline(mergeKernel(shape), 'attention merge'),
      gpu.pipeline(storeKernel(shape), 'keys and values'),
      gpu.pipeline(rowsKernel(shape), 'attention rows'),
    ]);
    return { shape, pipelines: { tiles, merge, store, rows } };
  });
  return new Attention(gpu, options, places, await Promise.all(layers));
}

/** Of one rotation: where its rows begin in the step's table of angles, in floats. */
interface RotationPlace extends Turning {
  offset: number;
}

function placesOf(rotations: readonly Rotation[]): RotationPlace[] {
  let offset = 0;
  return rotations.map(({ frequencies, pairs }) => {
    const place = { offset, size: 2 * frequencies.length, pairs };
    offset += MAX_ROWS * place.size;
    return place;
  });
}

export class Attention {
  readonly pool: KvPool;
  readonly #gpu: Gpu;
  readonly #options: AttentionOptions;
  readonly #places: readonly RotationPlace[];
  readonly #layers: LayerParts[];
  readonly #dispatches: (readonly [Dispatch, Dispatch])[];
  readonly #buffers: { rotation: GPUBuffer; pages: GPUBuffer; partials: GPUBuffer };
  readonly #angles: Float32Array<ArrayBuffer>;
  readonly #centres: Float32Array;
  #format: SnapshotFormat;
  #generation = 0;
  #isWide = false;

  constructor(
    gpu: Gpu,
    options: AttentionOptions,
    places: readonly RotationPlace[],
    layers: readonly Pick<LayerParts, 'shape' | 'pipelines'>[],
  ) {
    const { model, kv, contextLength } = options;
    this.#gpu = gpu;
    this.#options = options;
    this.#places = places;
    this.#format = snapshotFormat(model, kv, 0);
    this.pool = new KvPool(gpu, this.#format.layout, model.layerCount);
    this.#centres = new Float32Array(model.layerCount * model.kvHeadCount * model.headSize);
    const { STORAGE, COPY_DST } = USE;
    const angles = places.reduce((sum, { size }) => sum + MAX_ROWS * size, 0);
    this.#angles = new Float32Array(angles);
    const { mostSplits } = splitsOf(contextLength);
    const partialBytes = MOST_TILED_ROWS * model.headCount * mostSplits * (model.headSize / 4 + 1) * 16;
    this.#buffers = {
      rotation: gpu.createBuffer(angles * 4, STORAGE | COPY_DST, 'angles'),
      pages: gpu.createBuffer(
        Math.ceil(contextLength / PAGE_POSITIONS) * 4,
        STORAGE | COPY_DST,
        'page table',
      ),
      partials: gpu.createBuffer(partialBytes, STORAGE, 'attention of splits'),
    };
    this.#layers = layers.map(({ shape, pipelines }, layer) => {
      const vectors = gpu.createBuffer(vectorsOf(shape).length * 4, STORAGE | COPY_DST, `vectors ${layer}`);
      return { shape, pipelines, vectors, groups: this.#bind(layer, vectors, pipelines) };
    });
    this.#dispatches = this.#layers.map((parts, layer) => this.#dispatchesOf(parts, layer));
    this.#writeVectors();
  }

  #bind(layer: number, vectors: GPUBuffer, pipelines: LayerParts['pipelines']): LayerParts['groups'] {
    const { step, qkv, attended } = this.#options.buffers;
    const { rotation, pages, partials } = this.#buffers;
    const inputs = [step, qkv, vectors, rotation, pages, this.pool.buffer(layer)];
    return {
      tiles: this.#gpu.bindGroup(pipelines.tiles, [...inputs, partials], 'attention tiles'),
      merge: this.#gpu.bindGroup(pipelines.merge, [step, vectors, partials, attended], 'attention merge'),
      store: this.#gpu.bindGroup(pipelines.store, inputs, 'keys and values'),
      rows: this.#gpu.bindGroup(pipelines.rows, [...inputs, attended], 'attention rows'),
    };
  }

  #dispatchesOf(parts: LayerParts, layer: number): readonly [Dispatch, Dispatch] {
    const { shape, pipelines } = parts;
    const { headCount, kvHeadCount } = shape;
    const { window } = this.#options.model.layers[layer]!;
    const { turns } = turnsOf(shape);
    return [
      {
        label: `attention ${layer}`,
        pipeline: ({ rows }) => pipelines[isWide(rows) ? 'store' : 'tiles'],
        bindGroup: () => parts.groups[this.#isWide ? 'store' : 'tiles'],
        groups: ({ rows, position }) => {
          const last = position + rows - 1;
          const count = isWide(rows)
            ? (last >> 2) - (position >> 2)
            : lastSplitOf(shape, last) - firstSplitOf(shape, window, position);
          return [kvHeadCount, count + 1, 1];
        },
      },
      {
        label: `attention ${layer}, second part`,
        pipeline: ({ rows }) => pipelines[isWide(rows) ? 'rows' : 'merge'],
        bindGroup: () => parts.groups[this.#isWide ? 'rows' : 'merge'],
        groups: ({ rows }) => [isWide(rows) ? kvHeadCount * turns : headCount, rows, 1],
      },
    ];
  }

  /** Norms, smoothing and centres of every layer: ones and zeros where the model has none. */
  #writeVectors(): void {
    const { model, rotations, vector, kv } = this.#options;
    const { headSize, kvHeadCount, layers } = model;
    const ofLayer = kvHeadCount * headSize;
    this.#layers.forEach(({ shape, vectors }, layer) => {
      const keyNorm = vector('key-norm', layer);
      const queryNorm = vector('query-norm', layer);
      const keyVectors = { keyNorm, queryNorm, keyBias: vector('key-bias', layer) };
      const factors =
        kv === 'q8'
          ? smoothingOf(rotations[layers[layer]!.rope], keyVectors, headSize, kvHeadCount)
          : undefined;
      const at = vectorsOf(shape);
      const all = new Float32Array(at.length).fill(1, 0, at.centre);
      if (queryNorm) all.set(queryNorm, at.queryNorm);
      if (keyNorm) all.set(keyNorm, at.keyNorm);
      if (factors) {
        all.set(factors, at.querySmoothing);
        all.set(
          factors.map((factor) => 1 / factor),
          at.keySmoothing,
        );
      }
      all.set(this.#centres.subarray(layer * ofLayer, (layer + 1) * ofLayer), at.centre);
      all[at.window] = layers[layer]!.window;
      all[at.angles] = this.#places[layers[layer]!.rope]?.offset ?? 0;
      this.#gpu.device.queue.writeBuffer(vectors, 0, all);
    });
  }

  /** The two dispatches of a layer, between the product that gives `qkv` and the one that takes `attended`. */
  layer(index: number): readonly [Dispatch, Dispatch] {
    const dispatches = this.#dispatches[index];
    assert(dispatches, `attention has a layer ${index}`);
    return dispatches;
  }

  createCache(): GpuCache {
    return new GpuCache(this.pool, () => this.#format, this.#options.contextLength);
  }

  /** Of the caches' contents: what they are in, and what they are relative to. */
  get checksum(): number {
    return this.#format.checksum;
  }

  /**
   * Finds key centres, and what tells these keys and values from others', before any cache is used: `run` makes a step of a
   * few ids with an empty cache and advances it.
   */
  async calibrate(run: (ids: number[], cache: GpuCache) => Promise<void>): Promise<void> {
    const { model, kv, contextLength } = this.#options;
    const ids = calibrationIds(model).slice(0, contextLength);
    const cache = this.createCache();
    try {
      await run(ids, cache);
      const snapshot = await cache.snapshot();
      const words = new Int32Array(snapshot.slice().buffer);
      if (kv === 'q8') this.#centre(snapshot.subarray(snapshot.length - this.pool.pageBytes), ids.length);
      // Splits are rounded one by one, which so few ids do not show.
      const splits = checksum(Int32Array.of(splitsOf(contextLength).splitPages));
      const centres = checksum(new Int32Array(this.#centres.buffer), splits);
      this.#format = snapshotFormat(model, kv, checksum(words, centres));
    } finally {
      cache.dispose();
    }
  }

  #centre(page: Uint8Array, positions: number): void {
    const { model, rotations } = this.#options;
    const { headSize, kvHeadCount, layers } = model;
    const unitBytes = 16 * unitOf({ headSize, kv: 'q8' }).vectors;
    for (let unit = 0; unit < layers.length * kvHeadCount; unit++) {
      const bytes = page.slice(unit * unitBytes, (unit + 1) * unitBytes);
      const scales = new Float32Array(bytes.buffer, 128 * headSize, 64);
      const out = this.#centres.subarray(unit * headSize, (unit + 1) * headSize);
      writeCentres(rotations[layers[Math.floor(unit / kvHeadCount)]!.rope], bytes, scales, positions, out);
    }
    this.#writeVectors();
  }

  /**
   * Makes room for `rows` more positions and writes what the kernels need of this step. Throws `context_length_exceeded` or
   * `out_of_memory`, leaving the cache as it was.
   */
  begin(cache: GpuCache, rows: number): void {
    cache.reserve(rows);
    if (this.#generation !== this.pool.generation) {
      this.#generation = this.pool.generation;
      this.#layers.forEach((parts, layer) => {
        parts.groups = this.#bind(layer, parts.vectors, parts.pipelines);
      });
    }
    this.#isWide = isWide(rows);
    const { queue } = this.#gpu.device;
    queue.writeBuffer(this.#buffers.pages, 0, cache.places());
    this.#places.forEach(({ offset, size }, rope) => {
      const rotation = this.#options.rotations[rope];
      assert(rotation, `rope ${rope}`);
      writeRotation(rotation, cache.length, this.#angles.subarray(offset, offset + rows * size));
      queue.writeBuffer(this.#buffers.rotation, offset * 4, this.#angles, offset, rows * size);
    });
  }

  dispose(): void {
    this.pool.dispose();
    const { rotation, pages, partials } = this.#buffers;
    for (const buffer of [rotation, pages, partials, ...this.#layers.map(({ vectors }) => vectors)]) {
      this.#gpu.freeBuffer(buffer);
    }
  }
}

function isWide(rows: number): boolean {
  return rows > MOST_TILED_ROWS;
}
