/**
 * The few tokens that top-k, top-p or a list of the most likely ones leave over: a binary heap in two typed
 * arrays, worst token on top, so that the k best of a vocabulary cost one comparison for nearly every token, and
 * sorting costs what is kept. A token is better by its logit, then by its lower id.
 */

export class Candidates {
  /** The first `count` entries are valid. */
  ids: Int32Array = new Int32Array(64);
  logits: Float32Array = new Float32Array(64);
  count = 0;

  /** Keeps the `limit` best tokens of `source`, in heap order. NaN and -Infinity are never kept. */
  selectBest(source: Float32Array, limit: number): void {
    const size = Math.min(limit, source.length);
    this.#reserve(size);
    this.count = 0;
    let id = 0;
    for (; id < source.length && this.count < size; id++) this.#append(id, source[id]!);
    if (this.count < size) return;
    this.#makeHeap();
    if (size === 0) return;
    let worst = this.logits[0]!;
    for (; id < source.length; id++) {
      const logit = source[id]!;
      if (!(logit > worst)) continue;
      this.#place(0, id, logit, size);
      worst = this.logits[0]!;
    }
  }

  /** Keeps all tokens of `source` with a logit of at least `floor`, in the order of their ids. */
  selectAbove(source: Float32Array, floor: number): void {
    this.#reserve(source.length);
    this.count = 0;
    for (let id = 0; id < source.length; id++) {
      const logit = source[id]!;
      if (logit >= floor) this.#append(id, logit);
    }
  }

  /** Puts the best first. */
  sort(): void {
    this.#makeHeap();
    for (let end = this.count - 1; end > 0; end--) {
      const id = this.ids[end]!;
      const logit = this.logits[end]!;
      this.ids[end] = this.ids[0]!;
      this.logits[end] = this.logits[0]!;
      this.#place(0, id, logit, end);
    }
  }

  #append(id: number, logit: number): void {
    if (!(logit > -Infinity)) return;
    this.ids[this.count] = id;
    this.logits[this.count++] = logit;
  }

  #makeHeap(): void {
    for (let i = (this.count >> 1) - 1; i >= 0; i--)
      this.#place(i, this.ids[i]!, this.logits[i]!, this.count);
  }

  /** Puts a token at `index` of the heap of `size` entries, sinking it below all that are worse. */
  #place(index: number, id: number, logit: number, size: number): void {
    const { ids, logits } = this;
    for (let child = 2 * index + 1; child < size; child = 2 * index + 1) {
      if (child + 1 < size && isWorse(logits[child + 1]!, ids[child + 1]!, logits[child]!, ids[child]!))
        child++;
      if (!isWorse(logits[child]!, ids[child]!, logit, id)) break;
      ids[index] = ids[child]!;
      logits[index] = logits[child]!;
      index = child;
    }
    ids[index] = id;
    logits[index] = logit;
  }

  #reserve(size: number): void {
    if (this.ids.length >= size) return;
    this.ids = new Int32Array(size);
    this.logits = new Float32Array(size);
  }
}

function isWorse(logit: number, id: number, otherLogit: number, otherId: number): boolean {
  return logit < otherLogit || (logit === otherLogit && id > otherId);
}
