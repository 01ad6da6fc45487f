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
import { rotate } from './reference-rotation.ts';
import type { RopeFactors } from './reference-rotation.ts';

const f = Math.fround;

export interface Matrix {
  type: TensorType;
  columns: number;
  rows: number;
  /** Row-major: row r is the weights of output r. */
  values: Float32Array;
  /** One value for each output. Not a product's business. */
  bias?: Float32Array | undefined;
  /** As they lie in the file. */
  bytes: Uint8Array;
}

/** Matrix times vector: one output per row. */
export type Product = (matrix: Matrix, x: Float32Array) => Float32Array;

interface Layer {
  matrix: (role: TensorRole) => Matrix;
  /** Undefined where the model has none. */
  vector: (role: TensorRole) => Float32Array | undefined;
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
  return Array.from(ids, (id, position) => forward(plan.shape, weights, id, position, biased(product)));
}

function biased(product: Product): Product {
  return (matrix, x) => {
    const out = product(matrix, x);
    return matrix.bias ? add(out, matrix.bias) : out;
  };
}

interface Weights {
  embedding: Matrix;
  finalNorm: Float32Array;
  head: Matrix;
  factors: RopeFactors;
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
    return { ...matrix, bias: loaded.get(`${role}-bias ${layer}`)?.values };
  };
  return {
    embedding: get('embedding'),
    finalNorm: get('final-norm').values,
    head: { ...get(shape.tiedHead ? 'embedding' : 'head'), bias: loaded.get('head-bias -1')?.values },
    factors: {
      plain: loaded.get('rope-factors -1')?.values,
      long: loaded.get('rope-factors-long -1')?.values,
      short: loaded.get('rope-factors-short -1')?.values,
    },
    layers: Array.from({ length: shape.layerCount }, (_, layer) => ({
      matrix: (role) => get(role, layer),
      vector: (role) => loaded.get(`${role} ${layer}`)?.values,
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
  const { embedding, head, finalNorm } = weights;
  const { scales, normEpsilon } = shape;
  const row = embedding.values.slice(id * embedding.columns, (id + 1) * embedding.columns);
  let x = scaled(row, scales.embedding);
  weights.layers.forEach((layer, index) => {
    /** What a block adds to the stream. */
    const branch = (out: Float32Array, norm: TensorRole): Float32Array =>
      scaled(normed(out, layer.vector(norm), normEpsilon), scales.residual);

    const inner = normed(x, layer.vector('attention-norm'), normEpsilon);
    const attended = attention(shape, layer, index, inner, position, weights, product);
    x = add(x, branch(product(layer.matrix('attention-output'), attended), 'post-attention-norm'));

    const outer = normed(x, layer.vector('ffn-norm'), normEpsilon);
    const gate = product(layer.matrix('gate'), outer);
    const up = product(layer.matrix('up'), outer);
    const gated = gate.map((value, i) => (shape.activation === 'gelu' ? gelu(value) : silu(value)) * up[i]!);
    x = add(x, branch(product(layer.matrix('down'), gated), 'post-ffn-norm'));
  });
  return scaled(product(head, normed(x, finalNorm, normEpsilon)), scales.logits);
}

function attention(
  shape: ModelShape,
  layer: Layer,
  index: number,
  x: Float32Array,
  position: number,
  { factors }: Weights,
  product: Product,
): Float32Array {
  const { window, rope } = shape.layers[index]!;
  const rotated = (role: 'query' | 'key'): Float32Array => {
    const heads = normed(product(layer.matrix(role), x), layer.vector(`${role}-norm`), shape.normEpsilon);
    return rotate(heads, shape, shape.ropes[rope], position, factors);
  };
  const query = rotated('query');
  layer.keys.push(rotated('key'));
  layer.values.push(product(layer.matrix('value'), x));
  return attend(query, layer, shape, window === 0 ? 0 : Math.max(0, position + 1 - window));
}

function scaled(x: Float32Array, factor: number): Float32Array {
  return x.map((value) => value * factor);
}

function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
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

/** Each part as long as the weight by itself; without a weight, nothing happens. */
function normed(x: Float32Array, weight: Float32Array | undefined, epsilon: number): Float32Array {
  if (!weight) return x;
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += weight.length) {
    const part = x.subarray(at, at + weight.length);
    let squares = 0;
    for (const value of part) squares += value * value;
    const scale = 1 / Math.sqrt(squares / part.length + epsilon);
    part.forEach((value, index) => (out[at + index] = f(value * scale) * weight[index]!));
  }
  return out;
}

/** Causal by construction: the layer holds no later positions. */
function attend(
  query: Float32Array,
  { keys, values }: Layer,
  { headCount, kvHeadCount, headSize, scales }: ModelShape,
  firstSeen: number,
): Float32Array {
  const out = new Float32Array(query.length);
  for (let head = 0; head < headCount; head++) {
    const from = head * headSize;
    const kvFrom = Math.floor(head / (headCount / kvHeadCount)) * headSize;
    const scores = keys.slice(firstSeen).map((key) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += query[from + i]! * key[kvFrom + i]!;
      return sum * scales.attention;
    });
    const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const powers = scores.map((score) => Math.exp(score - largest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    for (let i = 0; i < headSize; i++) {
      let sum = 0;
      for (let at = 0; at < powers.length; at++) sum += powers[at]! * values[firstSeen + at]![kvFrom + i]!;
      out[from + i] = sum / total;
    }
  }
  return out;
}
