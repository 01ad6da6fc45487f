/**
 * A suffix automaton over token ids: the smallest one that knows every piece of the texts it was given, extended token by
 * token in amortised constant time (Blumer et al. 1985). A state stands for the pieces that end at the same places. It
 * counts what followed them, so that the commonest continuation of the longest earlier match is one look away.
 *
 * Several texts lie in it one after the other, with separators between that equal no token.
 */
import { EdgeTable, NO_EDGE } from './edge-table.ts';

/** The state of the empty piece. */
export const ROOT = 0;
const NO_STATE = -1;

/**
 * How many of the states that end with the newest token learn what follows it. Texts that repeat themselves have as many as
 * tokens, other texts a few; the longest come first.
 */
const MOST_COUNTED = 64;
const FIRST_STATES = 1024;

export class SuffixAutomaton {
  readonly #edges = new EdgeTable();
  /** By state: tokens in its longest piece. */
  #length = new Int32Array(FIRST_STATES);
  /** By state: that of its longest suffix that also ends elsewhere. */
  #link = new Int32Array(FIRST_STATES);
  /** By state: its newest edge, from which the others follow. */
  #first = new Int32Array(FIRST_STATES);
  /** By state: the edge that was gone most often, the latest of equals. */
  #best = new Int32Array(FIRST_STATES);
  /** By state: how often something followed. */
  #followed = new Int32Array(FIRST_STATES);
  #states = 0;
  #last = ROOT;
  #separators = 0;

  constructor() {
    this.clear();
  }

  /** At most twice the tokens and separators. */
  get stateCount(): number {
    return this.#states;
  }

  /** At most three times the tokens and separators. */
  get edgeCount(): number {
    return this.#edges.size;
  }

  /** The longest end of the text that also occurred before. */
  get repeated(): number {
    return this.#last === ROOT ? ROOT : this.#link[this.#last]!;
  }

  clear(): void {
    this.#edges.clear();
    this.#states = 0;
    this.#separators = 0;
    this.#last = this.#add(0, NO_STATE);
  }

  /** Makes room for so many more tokens at once, so that no single token has to. */
  reserve(tokens: number): void {
    this.#edges.reserve(tokens * 3);
    this.#grow(this.#states + tokens * 2);
  }

  /** The text goes on with `token`, which is not negative. */
  append(token: number): void {
    this.#extend(token);
  }

  /** The text is at its end. */
  separate(): void {
    this.#extend(-++this.#separators);
  }

  length(state: number): number {
    return this.#length[state]!;
  }

  link(state: number): number {
    return this.#link[state]!;
  }

  /** Where `token` leads; undefined if it never followed. */
  next(state: number, token: number): number | undefined {
    const edge = this.#edges.find(state, token);
    return edge === NO_EDGE ? undefined : this.#edges.target(edge);
  }

  /** Whether a token is known to have followed. */
  goesOn(state: number): boolean {
    return this.#best[state] !== NO_EDGE;
  }

  /** The token that followed most often, the latest of equals. Of states that go on. */
  likeliest(state: number): number {
    return this.#edges.token(this.#best[state]!);
  }

  /** Where it leads. */
  afterLikeliest(state: number): number {
    return this.#edges.target(this.#best[state]!);
  }

  /** Of all that followed, the share that was the likeliest. */
  share(state: number): number {
    return this.#edges.count(this.#best[state]!) / this.#followed[state]!;
  }

  #extend(token: number): void {
    const current = this.#add(this.#length[this.#last]! + 1, ROOT);
    let state = this.#last;
    this.#last = current;
    for (; state !== NO_STATE; state = this.#link[state]!) {
      if (this.#edges.find(state, token) !== NO_EDGE) break;
      this.#first[state] = this.#edges.add(state, token, current, this.#first[state]!);
      this.#count(state, this.#first[state]!);
    }
    if (state === NO_STATE) return;
    const target = this.#edges.target(this.#edges.find(state, token));
    this.#link[current] =
      this.#length[target] === this.#length[state]! + 1 ? target : this.#split(target, state, token);
    for (let i = 0; i < MOST_COUNTED && state !== NO_STATE; i++) {
      this.#count(state, this.#edges.find(state, token));
      state = this.#link[state]!;
    }
  }

  /** Parts the pieces of `whole` that are no longer than one more than `state`'s, as they now end elsewhere too. */
  #split(whole: number, state: number, token: number): number {
    const edges = this.#edges;
    const part = this.#add(this.#length[state]! + 1, this.#link[whole]!);
    this.#link[whole] = part;
    this.#followed[part] = this.#followed[whole]!;
    for (let edge = this.#first[whole]!; edge !== NO_EDGE; edge = edges.next(edge)) {
      const copy = edges.add(part, edges.token(edge), edges.target(edge), this.#first[part]!);
      edges.addCount(copy, edges.count(edge));
      this.#first[part] = copy;
      if (edge === this.#best[whole]) this.#best[part] = copy;
    }
    for (let from = state; from !== NO_STATE; from = this.#link[from]!) {
      const edge = edges.find(from, token);
      if (edges.target(edge) !== whole) break;
      edges.setTarget(edge, part);
    }
    return part;
  }

  #count(state: number, edge: number): void {
    const edges = this.#edges;
    const count = edges.addCount(edge, 1);
    this.#followed[state]! += 1;
    if (edges.token(edge) < 0) return;
    const best = this.#best[state]!;
    if (best === NO_EDGE || count >= edges.count(best)) this.#best[state] = edge;
  }

  #add(length: number, link: number): number {
    const state = this.#states++;
    this.#grow(this.#states);
    this.#length[state] = length;
    this.#link[state] = link;
    this.#first[state] = NO_EDGE;
    this.#best[state] = NO_EDGE;
    this.#followed[state] = 0;
    return state;
  }

  #grow(states: number): void {
    if (states <= this.#length.length) return;
    const capacity = Math.max(states, this.#length.length * 2);
    const grown = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(capacity);
      larger.set(old);
      return larger;
    };
    this.#length = grown(this.#length);
    this.#link = grown(this.#link);
    this.#first = grown(this.#first);
    this.#best = grown(this.#best);
    this.#followed = grown(this.#followed);
  }
}
