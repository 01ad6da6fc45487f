/**
 * Gathers arriving bytes into chunks and, chunk by chunk, hashes them, writes them and then records them, in that
 * order: a crash at any point loses the chunk under way and nothing else. One chunk is on its way to the disk
 * while the next is gathered, so the stream waits only for a disk that is slower than the network.
 */
import { CHUNK_BYTES } from './chunks.ts';
import { digest } from './sha256.ts';

/** Writes chunk `index` and records `hashes`, which are those of all chunks so far. */
export type Keep = (
  index: number,
  bytes: Uint8Array<ArrayBuffer>,
  hashes: Uint8Array<ArrayBuffer>,
) => Promise<void>;

export class ChunkKeeper {
  readonly #keep: (index: number, bytes: Uint8Array<ArrayBuffer>, hash: Promise<Uint8Array>) => Promise<void>;
  /** One is gathered into while the other is kept. */
  #gathering = new Uint8Array(CHUNK_BYTES);
  #keeping = new Uint8Array(CHUNK_BYTES);
  #gathered = 0;
  #index: number;
  #pending: Promise<void> = Promise.resolve();
  #hashes: Uint8Array<ArrayBuffer>;

  /** `hashes`: of the chunks that are kept already. */
  constructor(firstIndex: number, hashes: Uint8Array<ArrayBuffer>, keep: Keep) {
    this.#index = firstIndex;
    this.#hashes = hashes;
    this.#keep = async (index, bytes, hash) => {
      const next = new Uint8Array([...this.#hashes, ...(await hash)]);
      await keep(index, bytes, next);
      this.#hashes = next;
    };
  }

  /** Of all chunks that are kept. */
  get hashes(): Uint8Array<ArrayBuffer> {
    return this.#hashes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + CHUNK_BYTES - this.#gathered);
      this.#gathering.set(part, this.#gathered);
      this.#gathered += part.length;
      at += part.length;
      if (this.#gathered === CHUNK_BYTES) await this.#commit();
    }
  }

  /** No more bytes come: what is left is the last chunk. All is kept when the promise fulfils. */
  async finish(): Promise<void> {
    if (this.#gathered > 0) await this.#commit();
    await this.#pending;
  }

  /** Waits until nothing is being written, whether that succeeded or not. */
  async settle(): Promise<void> {
    await this.#pending.catch(() => undefined);
  }

  /** Throws what went wrong with the chunk before this one. */
  async #commit(): Promise<void> {
    const bytes = this.#gathering.subarray(0, this.#gathered);
    const hash = digest(bytes);
    await this.#pending;
    [this.#gathering, this.#keeping] = [this.#keeping, this.#gathering];
    this.#gathered = 0;
    this.#pending = this.#keep(this.#index++, bytes, hash);
    this.#pending.catch(() => undefined);
  }
}
