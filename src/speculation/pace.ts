/**
 * When to leave a drafter alone: after three rounds in which nothing of it was right it rests, for one token first, then two,
 * four, up to 64; a token that is right ends that.
 */

const PATIENCE = 3;
const LONGEST_REST = 64;

export class Pace {
  #failures = 0;
  #rest = 1;
  #until = 0;

  /** Whether it rests at token `now`, counted over the drafter's life. */
  rests(now: number): boolean {
    return now < this.#until;
  }

  /** A round with its drafts ended at token `now`. */
  observe(accepted: number, now: number): void {
    if (accepted > 0) {
      this.#failures = 0;
      this.#rest = 1;
      return;
    }
    this.#failures += 1;
    if (this.#failures < PATIENCE) return;
    this.#failures = 0;
    this.#until = now + this.#rest;
    this.#rest = Math.min(LONGEST_REST, 2 * this.#rest);
  }
}
