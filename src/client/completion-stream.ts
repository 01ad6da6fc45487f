/**
 * A streamed answer: an async iterable that can be read once, as it is not kept. Leaving the loop (`break`, an
 * error, `return`) aborts the request.
 */
export class CompletionStream<Chunk> implements AsyncIterable<Chunk> {
  readonly #chunks: AsyncGenerator<Chunk, void, undefined>;
  readonly #cancel: () => void;
  #isRead = false;

  /** @internal */
  constructor(chunks: AsyncGenerator<Chunk, void, undefined>, cancel: () => void) {
    this.#chunks = chunks;
    this.#cancel = cancel;
  }

  [Symbol.asyncIterator](): AsyncIterator<Chunk, void, undefined> {
    if (this.#isRead)
      throw new TypeError('A streamed completion can be read once. Keep its chunks yourself.');
    this.#isRead = true;
    return {
      next: () => this.#chunks.next(),
      return: () => {
        // A generator that was never asked for anything would not run its `finally`.
        this.#cancel();
        return this.#chunks.return();
      },
    };
  }

  /** Aborts the request. A loop that reads the stream ends. */
  abort(): void {
    this.#cancel();
  }
}
