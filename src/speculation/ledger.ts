/**
 * The ledger of time. Against what plain decoding would have taken it books what decoding with drafts took, and a draft
 * that could lose more than there is to lose is not made. So, over the life of an engine, decoding with drafts takes at most
 * 1.01 times as long as without, and one step more: as far as the time of a plain step is known.
 *
 * Each request begins with nothing to spare: what an earlier one gained is the user's, what it lost stays lost.
 *
 * A model that drafts has to read the prompt first, which no single step repays. That is invested: a few steps at most are
 * out at a time, and what its drafts win repays them before anything else. Who loads no such model never invests.
 */

/** Of plain time, the share that may be lost. */
const SHARE = 0.01;
/** The most that may be lost in a row, in plain steps, however long it went well. */
const MOST_STEPS = 25;
/** The most that may be invested at a time, in plain steps. */
const INVESTED_STEPS = 8;

export class Ledger {
  /** Of this request, in milliseconds, without what is invested; negative when it is behind plain decoding. */
  #credit = 0;
  /** What earlier requests lost. */
  #lost = 0;
  /** What plain decoding of all tokens would have taken. */
  #plain = 0;
  /** Not yet repaid. */
  #invested = 0;
  #gained = 0;

  /** Of this request: how many milliseconds less than plain decoding it took. */
  get gained(): number {
    return this.#gained;
  }

  /** A request begins. */
  begin(): void {
    this.#lost += Math.max(0, -this.#credit);
    this.#credit = 0;
    this.#gained = 0;
  }

  /** `tokens` came about in `elapsed` milliseconds; a plain step takes `step`. What `repays` gains goes where it was invested. */
  book(tokens: number, elapsed: number, step: number, { repays = false }: { repays?: boolean } = {}): void {
    const gain = tokens * step - elapsed;
    const repaid = repays ? Math.max(0, Math.min(gain, this.#invested)) : 0;
    this.#invested -= repaid;
    this.#credit += gain - repaid;
    this.#gained += gain;
    this.#plain += tokens * step;
  }

  /** Whether a round may lose `ms` if all goes wrong. */
  allows(ms: number, step: number): boolean {
    const allowance = step + Math.min(SHARE * this.#plain - this.#lost, MOST_STEPS * step);
    return this.#credit - ms >= -allowance;
  }

  mayInvest(ms: number, step: number): boolean {
    return this.#invested + ms <= INVESTED_STEPS * step;
  }

  invest(ms: number): void {
    this.#invested += ms;
    this.#gained -= ms;
  }
}
