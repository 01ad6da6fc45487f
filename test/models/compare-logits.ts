/**
 * How far two sets of logits are apart: Kullback-Leibler divergence of their distributions, in nats, and whether
 * they would pick the same tokens.
 */

export interface LogitsComparison {
  mean: number;
  worst: number;
  /** Positions whose most likely tokens differ although the truth's margin over the other's pick exceeds `nearTie`. */
  argmaxMisses: number;
}

/** One row per position in both; `truth` is the side whose probabilities weigh. */
export function compareLogits(
  truth: readonly Float32Array[],
  other: readonly Float32Array[],
  nearTie = 0.02,
): LogitsComparison {
  if (truth.length !== other.length || truth.length === 0) throw new Error('Nothing to compare');
  const divergences = truth.map((row, position) => divergence(row, other[position]!));
  const misses = truth.filter(
    (row, position) => row[argmax(row)]! - row[argmax(other[position]!)]! > nearTie,
  );
  return {
    mean: divergences.reduce((sum, value) => sum + value, 0) / divergences.length,
    worst: Math.max(...divergences),
    argmaxMisses: misses.length,
  };
}

export function argmax(row: Float32Array): number {
  return row.reduce((best, value, index) => (value > row[best]! ? index : best), 0);
}

function logSoftmax(row: Float32Array): Float64Array {
  const largest = row[argmax(row)]!;
  const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0);
  return Float64Array.from(row, (value) => value - largest - Math.log(total));
}

/** NaN when a logit is missing or not a number, so that no comparison with it holds. */
function divergence(truth: Float32Array, other: Float32Array): number {
  if (truth.length !== other.length) throw new Error(`Rows of ${truth.length} and ${other.length} logits`);
  const [p, q] = [logSoftmax(truth), logSoftmax(other)];
  return p.reduce((sum, logP, index) => sum + Math.exp(logP) * (logP - q[index]!), 0);
}
