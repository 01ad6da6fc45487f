/**
 * Follows a sequence through an automaton: where the longest end of it leads that the automaton knows. Only the last tokens
 * count, so it depends on nothing that was before them.
 */
import { ROOT } from './suffix-automaton.ts';
import type { SuffixAutomaton } from './suffix-automaton.ts';

/** Tokens of the longest match. Longer ones say no more. */
export const LONGEST_MATCH = 64;

export class SuffixMatcher {
  readonly #automaton: SuffixAutomaton;
  #state = ROOT;
  #length = 0;

  /** The automaton must not grow while it is matched. */
  constructor(automaton: SuffixAutomaton) {
    this.#automaton = automaton;
  }

  get state(): number {
    return this.#state;
  }

  /** Of the match, in tokens. */
  get length(): number {
    return this.#length;
  }

  push(token: number): void {
    const automaton = this.#automaton;
    let next = automaton.next(this.#state, token);
    while (next === undefined && this.#state !== ROOT) {
      this.#state = automaton.link(this.#state);
      this.#length = automaton.length(this.#state);
      next = automaton.next(this.#state, token);
    }
    if (next === undefined) return;
    this.#state = next;
    this.#length += 1;
    if (this.#length <= LONGEST_MATCH) return;
    this.#length = LONGEST_MATCH;
    // The shorter end may occur more often.
    while (automaton.length(automaton.link(this.#state)) >= LONGEST_MATCH) {
      this.#state = automaton.link(this.#state);
    }
  }
}
