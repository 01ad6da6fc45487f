/** Seeded random numbers for test data: the same seed gives the same file on every machine. */

export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** Standard normal, as a 32-bit float. */
  normal(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
}

/** Mulberry32: 32 bits of state, good enough for test data. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    normal: () => Math.fround(Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())),
    below: (below) => Math.floor(next() * below),
  };
}
