/**
 * Matrices of all types on the GPU: what shaders read is what the file's format defines, products are those of a sum in
 * doubles, and a row has the same bits in steps of every width.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockOf, dequantise, quantise } from '../../../test/models/quantise.ts';
import { seeded } from '../../../test/models/random.ts';
import type { TensorPlan, TensorType } from '../session.ts';
import { encode } from './dispatch.ts';
import type { Dispatch } from './dispatch.ts';
import { embedGroups, embedSource } from './embed.ts';
import { USE } from './gpu-flags.ts';
import { openGpu } from './gpu.ts';
import type { Gpu } from './gpu.ts';
import { allKinds } from './matrix-kinds.ts';
import { MatrixWriter, createParts } from './matrices.ts';
import type { MatrixPart } from './matrices.ts';
import type { ProductSpec } from './product.ts';
import { createProduct } from './products.ts';
import type { ProductBuffers } from './products.ts';
import { stepWords } from './step.ts';
import type { StepNumbers } from './step.ts';
import type { ProductShape, Tuning } from './tuning.ts';

const TYPES = allKinds().map(({ type }) => type);

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu(navigator.gpu);
});
afterAll(() => {
  gpu.check();
  gpu.destroy();
});

const { STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ } = USE;
const random = seeded(5);
const normals = (count: number, spread = 1): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, () => random.normal() * spread);

interface Weights {
  values: Float32Array;
  parts: MatrixPart[];
}

/** A random matrix, written in chunks of odd sizes. */
function weights(
  type: TensorType,
  columns: number,
  rows: number,
  { rowsOfPart = rows, spread = 1 / Math.sqrt(columns) } = {},
): Weights {
  const bytes = quantise(type, normals(columns * rows, spread));
  const byteLength = (columns * rows * blockOf(type).bytes) / blockOf(type).size;
  const tensor: TensorPlan = {
    name: type,
    role: 'up',
    layer: 0,
    type,
    columns,
    rows,
    fileOffset: 0,
    byteLength,
  };
  const parts: MatrixPart[] = [];
  createParts(gpu, tensor, parts, rowsOfPart);
  const writer = new MatrixWriter(gpu, tensor, parts);
  for (let at = 0; at < bytes.length; at += 777) writer.write(bytes.subarray(at, at + 777));
  return { values: dequantise(type, bytes, columns * rows), parts };
}

function bufferOf(
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  usage: number = STORAGE,
): GPUBuffer {
  const buffer = gpu.createBuffer(data.byteLength, usage | COPY_DST | COPY_SRC, 'data');
  gpu.device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** Runs dispatches and gives back `out`. */
async function run(
  program: readonly Dispatch[],
  step: StepNumbers,
  stepBuffer: GPUBuffer,
  out: GPUBuffer,
): Promise<Float32Array> {
  gpu.device.queue.writeBuffer(stepBuffer, 0, stepWords(step));
  const staging = gpu.createBuffer(out.size, MAP_READ | COPY_DST, 'staging');
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(gpu, pass, program, step);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, staging, 0, out.size);
  gpu.submit(encoder);
  const result = new Float32Array(await gpu.read(staging, out.size));
  gpu.freeBuffer(staging);
  return result;
}

const emptyStep = (): GPUBuffer => gpu.createBuffer(16, UNIFORM | COPY_DST, 'step');
const stepOf = (rows: number, others: Partial<StepNumbers> = {}): StepNumbers => ({
  rows,
  position: 0,
  wanted: 0,
  candidates: 0,
  ...others,
});

describe.each(TYPES)('a matrix of %s', (type) => {
  const columns = type.endsWith('_K') ? 512 : 96;

  test('is read as its format defines it, in one part or several, and where halves are below 2^-14', async () => {
    for (const options of [{}, { rowsOfPart: 4, spread: 1e-5 }]) {
      const { values, parts } = weights(type, columns, 11, options);
      const ids = Uint32Array.from({ length: 11 }, (_, i) => (i * 7) % 11);
      const [step, out] = [emptyStep(), bufferOf(new Float32Array(11 * columns))];
      const idsBuffer = bufferOf(ids);
      const program = await Promise.all(
        parts.map(async ({ planes, firstRow, buffer }): Promise<Dispatch> => {
          const pipeline = await gpu.pipeline(embedSource(planes, firstRow, 1), 'embed');
          const bindGroup = gpu.bindGroup(pipeline, [step, buffer, idsBuffer, out], 'embed');
          return { label: 'embed', pipeline, bindGroup, groups: ({ rows }) => embedGroups(planes, rows) };
        }),
      );
      const read = await run(program, stepOf(11), step, out);
      const wrong = read.filter(
        (value, i) => value !== values[ids[Math.floor(i / columns)]! * columns + (i % columns)],
      );
      expect(wrong).toEqual(new Float32Array(0));
    }
  });

  test('multiplies rows as a sum in doubles does, with the same bits in every width and form', async () => {
    const { values, parts } = weights(type, columns, 45);
    const x = normals(5 * columns);
    const spec: ProductSpec = {
      matrices: [{ planes: parts[0]!.planes, outAt: 0 }],
      bias: false,
      store: 'put',
      scale: 1,
      wanted: false,
      outStride: 45,
    };
    const buffers = { w0: parts[0]!.buffer, x: bufferOf(x) };
    const alone = await everyWidth(spec, buffers, 5);
    expectClose(alone, (row, output) => dot(x, row * columns, values, output * columns, columns), 45);
  });
});

describe('a product with what is around it', () => {
  const columns = 160;
  const rows = 9;
  const x = normals(rows * columns, 3);
  const norm = normals(columns, 0.3).map((v) => 1 + v);
  const plain = { bias: false, store: 'put', scale: 1, wanted: false } as const;

  /** Row `row` of x, normed. */
  const normed = (row: number, epsilon: number): Float32Array => {
    const part = x.subarray(row * columns, (row + 1) * columns);
    const root = 1 / Math.sqrt(dot(part, 0, part, 0, columns) / columns + epsilon);
    return part.map((value, i) => value * root * norm[i]!);
  };

  test('three matrices of different types in one, normed and with biases', async () => {
    const [q, k, v] = [
      weights('Q4_1', columns, 40),
      weights('Q8_0', columns, 12),
      weights('F16', columns, 12),
    ];
    const bias = normals(64);
    const spec: ProductSpec = {
      ...plain,
      matrices: [q, k, v].map(({ parts }, i) => ({ planes: parts[0]!.planes, outAt: [0, 40, 52][i]! })),
      norm: { epsilon: 0.1 },
      bias: true,
      outStride: 64,
    };
    const [w0, w1, w2] = [q, k, v].map(({ parts }) => parts[0]!.buffer) as [GPUBuffer, GPUBuffer, GPUBuffer];
    const buffers = { w0, w1, w2, x: bufferOf(x), norm: bufferOf(norm), bias: bufferOf(bias) };
    const found = await everyWidth(spec, buffers, rows);
    const inputs = Array.from({ length: rows }, (_, row) => normed(row, 0.1));
    const values = Float32Array.of(...q.values, ...k.values, ...v.values);
    expectClose(found, (row, out) => dot(inputs[row]!, 0, values, out * columns, columns) + bias[out]!, 64);
  });

  test.each(['silu', 'gelu'] as const)('a gate through %s and what it lets through', async (gate) => {
    const [g, u] = [weights('Q5_0', columns, 37), weights('Q4_0', columns, 37)];
    const bias = normals(74);
    const spec: ProductSpec = {
      ...plain,
      matrices: [g, u].map(({ parts }) => ({ planes: parts[0]!.planes, outAt: 0 })),
      gate,
      norm: { epsilon: 1e-5 },
      bias: true,
      outStride: 37,
    };
    const [w0, w1] = [g.parts[0]!.buffer, u.parts[0]!.buffer];
    const buffers = { w0, w1, x: bufferOf(x), norm: bufferOf(norm), bias: bufferOf(bias) };
    const found = await everyWidth(spec, buffers, rows);
    const inputs = Array.from({ length: rows }, (_, row) => normed(row, 1e-5));
    const activate = (z: number): number =>
      gate === 'silu'
        ? z / (1 + Math.exp(-z))
        : 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    const product = (row: number, { values }: Weights, out: number): number =>
      dot(inputs[row]!, 0, values, out * columns, columns);
    expectClose(
      found,
      (row, out) => activate(product(row, g, out) + bias[out]!) * (product(row, u, out) + bias[37 + out]!),
      37,
    );
  });

  test('what is added to the stream, by a factor', async () => {
    const down = weights('Q4_0', columns, 24);
    const matrices = [{ planes: down.parts[0]!.planes, outAt: 0 }];
    const spec: ProductSpec = { ...plain, matrices, store: 'add', scale: 0.25, outStride: 24 };
    const found = await everyWidth(spec, { w0: down.parts[0]!.buffer, x: bufferOf(x) }, rows, { start: 2 });
    expectClose(
      found,
      (row, out) => 2 + 0.25 * dot(x, row * columns, down.values, out * columns, columns),
      24,
    );
  });

  test('rows that are wanted, and the first outputs only', async () => {
    const head = weights('Q8_0', columns, 50);
    const wanted = Uint32Array.of(8, 0, 3);
    const matrices = [{ planes: head.parts[0]!.planes, outAt: 0 }];
    const spec: ProductSpec = { ...plain, matrices, wanted: true, outStride: 50 };
    const [step, out] = [emptyStep(), bufferOf(new Float32Array(150))];
    const buffers = { step, out, w0: head.parts[0]!.buffer, x: bufferOf(x), wanted: bufferOf(wanted) };
    const tuning: Tuning = { widths: [1, 2], shapeOf: () => SHAPE };
    const product = await createProduct(gpu, 'head', spec, buffers, tuning);
    const found = await run([product], stepOf(9, { wanted: 3, candidates: 7 }), step, out);
    const first = (_: number, i: number): boolean => i % 50 < 7;
    const expected = (row: number, output: number): number =>
      dot(x, wanted[row]! * columns, head.values, output * columns, columns);
    expectClose(found.filter(first), expected, 7);
    expect(found.filter((_, i) => i % 50 >= 20)).toEqual(new Float32Array(90));
  });

  test('shapes for real GPUs give the same numbers, and rows the same bits in every width', async () => {
    const { values, parts } = weights('Q4_1', 32 * 18, 70);
    const inputs = normals(9 * 32 * 18);
    const matrices = [{ planes: parts[0]!.planes, outAt: 0 }];
    const spec: ProductSpec = { ...plain, matrices, outStride: 70 };
    const step = emptyStep();
    const results: Float32Array[] = [];
    for (const widths of [[1], [2], [8]] as const) {
      const out = bufferOf(new Float32Array(9 * 70));
      const tuning: Tuning = {
        widths,
        shapeOf: () => ({ lanes: 16, rowsPerThread: 4, threads: 64, isUnrolled: true }),
      };
      const buffers = { step, out, w0: parts[0]!.buffer, x: bufferOf(inputs) };
      const product = await createProduct(gpu, 'product', spec, buffers, tuning);
      results.push(await run([product], stepOf(9), step, out));
    }
    for (const result of results) expect(words(result)).toEqual(words(results[0]!));
    expectClose(results[0]!, (row, out) => dot(inputs, row * 576, values, out * 576, 576), 70);
  });

  test('more workgroups than one dimension holds', async () => {
    const count = 66_000;
    const wide = weights('F32', 32, count);
    const matrices = [{ planes: wide.parts[0]!.planes, outAt: 0 }];
    const spec: ProductSpec = { ...plain, matrices, outStride: count };
    const shape: ProductShape = { lanes: 1, rowsPerThread: 2, threads: 1, isUnrolled: false };
    const buffers = { w0: wide.parts[0]!.buffer, x: bufferOf(x.slice(0, 32)) };
    const [step, out] = [emptyStep(), bufferOf(new Float32Array(count))];
    const tuning: Tuning = { widths: [1], shapeOf: () => shape };
    const product = await createProduct(gpu, 'wide', spec, { ...buffers, step, out }, tuning);
    expect(product.groups(stepOf(1))).toEqual([16_500, 1, 2]);
    const found = await run([product], stepOf(1), step, out);
    expectClose(found, (_, output) => dot(x, 0, wide.values, output * 32, 32), count);
  });
});

/** Outputs of rows one by one, whose bits wider steps must have. */
async function everyWidth(
  spec: ProductSpec,
  buffers: ProductBuffers,
  rows: number,
  { shape = SHAPE, start = 0 }: { shape?: ProductShape; start?: number } = {},
): Promise<Float32Array> {
  const step = emptyStep();
  const results: Float32Array[] = [];
  const variants = [
    { widths: [1], isUnrolled: false },
    { widths: [4], isUnrolled: false },
    { widths: [1], isUnrolled: true },
  ] as const;
  for (const { widths, isUnrolled } of variants) {
    const out = bufferOf(new Float32Array(rows * spec.outStride).fill(start));
    const tuning: Tuning = { widths, shapeOf: () => ({ ...shape, isUnrolled }) };
    const product = await createProduct(gpu, 'product', spec, { ...buffers, step, out }, tuning);
    results.push(await run([product], stepOf(rows, { wanted: rows, candidates: spec.outStride }), step, out));
    gpu.freeBuffer(out);
  }
  for (const result of results) expect(words(result)).toEqual(words(results[0]!));
  return results[0]!;
}

const SHAPE: ProductShape = { lanes: 4, rowsPerThread: 2, threads: 8, isUnrolled: false };
const words = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer);

function dot(a: Float32Array, aAt: number, b: Float32Array, bAt: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[aAt + i]! * b[bAt + i]!;
  return sum;
}

function expectClose(
  found: Float32Array,
  expected: (row: number, output: number) => number,
  stride: number,
): void {
  const worst = found.reduce((most, value, i) => {
    const distance = Math.abs(value - expected(Math.floor(i / stride), i % stride));
    return Number.isNaN(distance) || distance > most ? distance : most;
  }, 0);
  expect(worst).toBeLessThan(2e-5);
}
