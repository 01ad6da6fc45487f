/**
 * The edges of an automaton in typed arrays: each goes from a state, by a token, to a state, and counts how often it was
 * gone. They are found by an open-addressing hash table, and those of one state also form a list. An edge keeps its number
 * for good; growing makes new slots only.
 */

/** No edge: numbers begin at 1. */
export const NO_EDGE = 0;

/** Of one edge: [state, token, target, next edge of its state, count]. */
const FIELDS = 5;
const TOKEN = 1;
const TARGET = 2;
const NEXT = 3;
const COUNT = 4;

const FIRST_EDGES = 1024;

export class EdgeTable {
  #edges = new Int32Array(FIRST_EDGES * FIELDS);
  /** Edge numbers, at most half of them taken; a power of two. */
  #slots = new Int32Array(FIRST_EDGES * 2);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  clear(): void {
    this.#slots.fill(NO_EDGE);
    this.#count = 0;
  }

  find(state: number, token: number): number {
    const slots = this.#slots;
    const edges = this.#edges;
    const mask = slots.length - 1;
    for (let slot = hash(state, token) & mask; ; slot = (slot + 1) & mask) {
      const edge = slots[slot]!;
      if (edge === NO_EDGE) return NO_EDGE;
      if (edges[edge * FIELDS] === state && edges[edge * FIELDS + TOKEN] === token) return edge;
    }
  }

  /** There is no such edge yet. `next` is the last that its state got before it. */
  add(state: number, token: number, target: number, next: number): number {
    this.reserve(1);
    const edge = ++this.#count;
    const at = edge * FIELDS;
    const edges = this.#edges;
    edges[at] = state;
    edges[at + TOKEN] = token;
    edges[at + TARGET] = target;
    edges[at + NEXT] = next;
    edges[at + COUNT] = 0;
    this.#place(edge);
    return edge;
  }

  token(edge: number): number {
    return this.#edges[edge * FIELDS + TOKEN]!;
  }

  target(edge: number): number {
    return this.#edges[edge * FIELDS + TARGET]!;
  }

  next(edge: number): number {
    return this.#edges[edge * FIELDS + NEXT]!;
  }

  count(edge: number): number {
    return this.#edges[edge * FIELDS + COUNT]!;
  }

  setTarget(edge: number, target: number): void {
    this.#edges[edge * FIELDS + TARGET] = target;
  }

  addCount(edge: number, count: number): number {
    return (this.#edges[edge * FIELDS + COUNT]! += count);
  }

  /** Makes room for so many more. */
  reserve(edges: number): void {
    const needed = this.#count + edges + 1;
    if (needed * 2 <= this.#slots.length) return;
    const capacity = 2 ** Math.ceil(Math.log2(needed));
    const old = this.#edges;
    this.#edges = new Int32Array(capacity * FIELDS);
    this.#edges.set(old);
    this.#slots = new Int32Array(capacity * 2);
    for (let edge = 1; edge <= this.#count; edge++) this.#place(edge);
  }

  #place(edge: number): void {
    const mask = this.#slots.length - 1;
    const at = edge * FIELDS;
    let slot = hash(this.#edges[at]!, this.#edges[at + TOKEN]!) & mask;
    while (this.#slots[slot] !== NO_EDGE) slot = (slot + 1) & mask;
    this.#slots[slot] = edge;
  }
}

function hash(state: number, token: number): number {
  const mixed = Math.imul(state, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 9;
}
