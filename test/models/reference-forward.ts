/**
 * The oracle: the forward pass of a llama-like transformer written straight from its definition. Weights are
 * dequantised to 32-bit floats; activations are stored as 32-bit floats; every sum (products, norms, softmax)
 * is accumulated in doubles and rounded once. Keys and values stay 32-bit floats. No batching, no tricks.
 *
 * The plan's rope factors are read from the file's own tensor. Linear in layers and positions, so SmolLM2-135M
 * takes about a quarter of a second per position.
 */
import type { ModelPlan, ModelShape, TensorPlan, TensorRole, TensorType } from '../../src/backend/session.ts';
import { dequantise } from './quantise.ts';

const f = Math.fround;

export interface Matrix {
  type: TensorType;
  columns: number;
  rows: number;
  /** Row-major: row r is the weights of output r. */
  values: Float32Array;
  /** As they lie in the file. */
  bytes: Uint8Array;
}

/** Matrix times vector: one output per row. */
export type Product = (matrix: Matrix, x: Float32Array) => Float32Array;

interface Layer {
  matrix: (role: TensorRole) => Matrix;
  norm: (role: TensorRole) => Float32Array;
  /** One row of kvHeadCount * headSize per position so far. */
  keys: Float32Array[];
  values: Float32Array[];
}

/** Logits (length vocabSize) after each position of `ids`. `product` may imitate somebody else's rounding. */
export function referenceLogits(
  plan: ModelPlan,
  fileBytes: Uint8Array,
  ids: ArrayLike<number>,
  product: Product = multiply,
): Float32Array[] {
  const weights = loadWeights(plan, fileBytes);
  return Array.from(ids, (id, position) => forward(plan.shape, weights, id, position, product));
}

interface Weights {
  embedding: Matrix;
  finalNorm: Float32Array;
  head: Matrix;
  factors: Float32Array | undefined;
  layers: Layer[];
}

function loadWeights({ shape, tensors }: ModelPlan, fileBytes: Uint8Array): Weights {
  const load = ({ type, columns, rows, fileOffset, byteLength }: TensorPlan): Matrix => {
    const bytes = fileBytes.subarray(fileOffset, fileOffset + byteLength);
    return { type, columns, rows, bytes, values: dequantise(type, bytes, columns * rows) };
  };
  const loaded = new Map(tensors.map((tensor) => [`${tensor.role} ${tensor.layer}`, load(tensor)]));
  const get = (role: TensorRole, layer = -1): Matrix => {
    const matrix = loaded.get(`${role} ${layer}`);
    if (!matrix) throw new Error(`The plan has no ${role} for layer ${layer}`);
    return matrix;
  };
  return {
    embedding: get('embedding'),
    finalNorm: get('final-norm').values,
    head: get(shape.tiedHead ? 'embedding' : 'head'),
    factors: loaded.get('rope-factors -1')?.values,
    layers: Array.from({ length: shape.layerCount }, (_, layer) => ({
      matrix: (role) => get(role, layer),
      norm: (role) => get(role, layer).values,
      keys: [],
      values: [],
    })),
  };
}

function forward(
  shape: ModelShape,
  weights: Weights,
  id: number,
  position: number,
  product: Product,
): Float32Array {
  const { embedding, head, finalNorm, factors } = weights;
  let x: Float32Array = embedding.values.slice(id * embedding.columns, (id + 1) * embedding.columns);
  for (const layer of weights.layers) {
    const normed = rmsNorm(x, layer.norm('attention-norm'), shape.normEpsilon);
    const query = rotate(product(layer.matrix('query'), normed), shape, position, factors);
    layer.keys.push(rotate(product(layer.matrix('key'), normed), shape, position, factors));
    layer.values.push(product(layer.matrix('value'), normed));
    x = add(x, product(layer.matrix('attention-output'), attend(query, layer, shape)));

    const inner = rmsNorm(x, layer.norm('ffn-norm'), shape.normEpsilon);
    const gate = product(layer.matrix('gate'), inner);
    const up = product(layer.matrix('up'), inner);
    const gated = gate.map((value, index) => (value / (1 + Math.exp(-value))) * up[index]!);
    x = add(x, product(layer.matrix('down'), gated));
  }
  return product(head, rmsNorm(x, finalNorm, shape.normEpsilon));
}

export function multiply({ columns, rows, values }: Matrix, x: Float32Array): Float32Array {
  const out = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    const base = row * columns;
    for (let column = 0; column < columns; column++) sum += values[base + column]! * x[column]!;
    out[row] = sum;
  }
  return out;
}

function add(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, index) => value + b[index]!);
}

function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const scale = 1 / Math.sqrt(squares / x.length + epsilon);
  return x.map((value, index) => f(value * scale) * weight[index]!);
}

/** Turns each pair of each head by position * base^(-2i/size) / factor[i]. */
function rotate(
  x: Float32Array,
  { headSize, ropes }: ModelShape,
  position: number,
  factors: Float32Array | undefined,
): Float32Array {
  const out = x.slice();
  const rope = ropes[0]!;
  const half = rope.size / 2;
  for (let head = 0; head < x.length; head += headSize) {
    for (let i = 0; i < half; i++) {
      const angle = (position * rope.base ** (-i / half)) / (factors?.[i] ?? 1);
      const first = head + (rope.pairs === 'neighbours' ? 2 * i : i);
      const second = rope.pairs === 'neighbours' ? first + 1 : first + half;
      out[first] = x[first]! * Math.cos(angle) - x[second]! * Math.sin(angle);
      out[second] = x[first]! * Math.sin(angle) + x[second]! * Math.cos(angle);
    }
  }
  return out;
}

/** Causal by construction: the layer holds no later positions. */
function attend(
  query: Float32Array,
  { keys, values }: Layer,
  { headCount, kvHeadCount, headSize }: ModelShape,
): Float32Array {
  const out = new Float32Array(query.length);
  for (let head = 0; head < headCount; head++) {
    const from = head * headSize;
    const kvFrom = Math.floor(head / (headCount / kvHeadCount)) * headSize;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += query[from + i]! * key[kvFrom + i]!;
      return sum / Math.sqrt(headSize);
    });
    const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const powers = scores.map((score) => Math.exp(score - largest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    for (let i = 0; i < headSize; i++) {
      let sum = 0;
      for (let at = 0; at < powers.length; at++) sum += powers[at]! * values[at]![kvFrom + i]!;
      out[from + i] = sum / total;
    }
  }
  return out;
}
