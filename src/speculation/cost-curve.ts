/**
 * What a step of so many rows takes: T(M), in milliseconds, on this machine, for this model, at the length the sequence has
 * now. The time of one row is taken from steps of one row; wider steps are kept as multiples of it, because what changes
 * meanwhile (a longer context, a processor that grows hot, a busy core) changes all widths alike.
 */

/** Most rows of a step that verifies. */
export const MAX_WIDTH = 16;

/** Of a step's time: how much a new measurement counts. */
const RATE = 0.1;

/**
 * Before anything was measured: a processor whose decoding waits for memory and whose batches wait for arithmetic. At
 * widths 1, 2, 4, 8, 16; between them on straight lines.
 */
const PRIOR: readonly (readonly [width: number, ratio: number])[] = [
  [1, 1],
  [2, 1.4],
  [4, 2.5],
  [8, 4.6],
  [16, 9],
];

export class CostCurve {
  /** Of a step of one row; 0 before there was one. */
  #single = 0;
  #singles = 0;
  /** T(M) / T(1) at index M; 0 where it was not measured. */
  readonly #ratios = new Float64Array(MAX_WIDTH + 1);

  /** Whether a step of one row was measured. */
  get known(): boolean {
    return this.#single > 0;
  }

  /** T(1), as it is now. */
  get single(): number {
    return this.#single;
  }

  /** Another sequence begins, at another length: its first steps count as much as all before. */
  restart(): void {
    this.#singles = 0;
  }

  /** A step of `width` (1..16) rows took `ms`. A time that is far off is counted as less far. */
  observe(width: number, ms: number): void {
    if (!(ms > 0)) return;
    if (width === 1) {
      this.#singles += 1;
      const weight = this.known ? Math.max(RATE, 1 / (this.#singles + 1)) : 1;
      this.#single += weight * (limited(ms, this.#single || ms) - this.#single);
    } else if (this.known) {
      const known = this.#ratios[width]!;
      const ratio = ms / this.#single;
      this.#ratios[width] = known > 0 ? known + RATE * (limited(ratio, known) - known) : ratio;
    }
  }

  /** Steps of several widths were timed by themselves, one of a single row among them: what was known of widths is replaced. */
  calibrate(times: ReadonlyMap<number, number>): void {
    const single = times.get(1);
    if (single === undefined || !(single > 0)) return;
    if (!this.known) this.#single = single;
    for (const [width, ms] of times) if (width > 1) this.#ratios[width] = ms / single;
  }

  /** T(width). Where it was not measured, the prior, scaled as at the nearest widths that were. */
  estimate(width: number): number {
    let below = width;
    while (below > 1 && this.#ratios[below] === 0) below -= 1;
    let above = width;
    while (above <= MAX_WIDTH && this.#ratios[above] === 0) above += 1;
    const low = this.#scaleAt(below);
    if (below === width || above > MAX_WIDTH) return this.#single * Math.max(1, low * prior(width));
    const share = (width - below) / (above - below);
    return this.#single * Math.max(1, (low + share * (this.#scaleAt(above) - low)) * prior(width));
  }

  /** What was measured over the prior. */
  #scaleAt(width: number): number {
    return width === 1 ? 1 : this.#ratios[width]! / prior(width);
  }
}

function prior(width: number): number {
  const next = Math.max(
    1,
    PRIOR.findIndex(([above]) => width <= above),
  );
  const [below, low] = PRIOR[next - 1]!;
  const [above, high] = PRIOR[next]!;
  return low + ((width - below) / (above - below)) * (high - low);
}

function limited(value: number, known: number): number {
  return Math.min(2 * known, Math.max(known / 2, value));
}
