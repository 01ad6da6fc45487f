/**
 * Decides from the times of single-row steps whether all threads are worth using just now. On a busy machine two threads
 * that share their cores with others wait for each other and are slower than one; then one is used, and all are tried
 * again later. Pure: times go in, a thread count comes out. The bits of a step do not depend on it.
 */

/** Steps whose median is compared. */
const WINDOW = 5;
/** A median this much above the best one is worth a trial of one thread. */
const SLOW = 1.3;
/** The best median is forgotten slowly, since steps take longer as the context grows. */
const FORGETTING = 1.001;
/** A trial must win by this much. */
const BETTER = 0.95;
/** Steps between trials: doubled when one fails, up to the most. */
const FIRST_PAUSE = 8;
const LONGEST_PAUSE = 512;

export class ThreadGovernor {
  readonly #most: number;
  #count: number;
  #times: number[] = [];
  #best = Infinity;
  #pause = FIRST_PAUSE;
  #sinceTrial = 0;
  /** Median before the trial that is going on. */
  #before: number | undefined;

  constructor(most: number) {
    this.#most = most;
    this.#count = most;
  }

  /** Takes the time of a step and returns how many threads the next one should use. */
  observe(ms: number): number {
    if (this.#most === 1) return 1;
    this.#times.push(ms);
    if (this.#times.length < WINDOW) return this.#count;
    const median = [...this.#times].sort((a, b) => a - b)[WINDOW >> 1]!;
    if (this.#before !== undefined) this.#endTrial(this.#before, median);
    else this.#watch(median);
    return this.#count;
  }

  #watch(median: number): void {
    this.#times.shift();
    this.#sinceTrial += 1;
    if (this.#count === this.#most) this.#best = Math.min(this.#best * FORGETTING, median);
    const doubtful = this.#count < this.#most || median > this.#best * SLOW;
    if (!doubtful || this.#sinceTrial < this.#pause) return;
    this.#before = median;
    this.#switch();
  }

  #endTrial(before: number, median: number): void {
    const won = median < before * BETTER;
    this.#pause = won ? FIRST_PAUSE : Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#before = undefined;
    this.#sinceTrial = 0;
    this.#times = [];
    if (!won) this.#switch();
  }

  #switch(): void {
    this.#count = this.#count === this.#most ? 1 : this.#most;
    this.#times = [];
  }
}
