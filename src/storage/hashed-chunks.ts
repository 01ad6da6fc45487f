/**
 * Chunks with their hashes, in order, with the next ones read and hashed while the consumer works on this one:
 * the browser hashes on other threads, so several are under way at once.
 */
import { CHUNK_BYTES } from './chunks.ts';
import { digest } from './sha256.ts';

export interface HashedChunk {
  index: number;
  /** Valid until the next iteration. */
  bytes: Uint8Array<ArrayBuffer>;
  hash: Uint8Array;
}

/** Chunks in flight beside the one the consumer has. */
const AHEAD = 3;

/** Chunks [0, count). `read` gives one chunk and may put it into `scratch`. */
export async function* hashedChunks(
  count: number,
  read: (index: number, scratch: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<HashedChunk, void, undefined> {
  const buffers = Array.from({ length: Math.min(count, AHEAD + 1) }, () => new Uint8Array(CHUNK_BYTES));
  const flight: Promise<HashedChunk>[] = [];
  let next = 0;
  const start = async (index: number): Promise<HashedChunk> => {
    const bytes = await read(index, buffers[index % buffers.length]!);
    return { index, bytes, hash: await digest(bytes) };
  };
  const fill = (): void => {
    for (; next < count && flight.length < AHEAD; next++) {
      const chunk = start(next);
      // Its error is thrown when its turn comes, if it comes.
      chunk.catch(() => undefined);
      flight.push(chunk);
    }
  };
  try {
    for (;;) {
      fill();
      const first = flight.shift();
      if (!first) return;
      const chunk = await first;
      fill();
      yield chunk;
    }
  } finally {
    await Promise.allSettled(flight);
  }
}
