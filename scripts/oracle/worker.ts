/**
 * selvedge's side of the oracle: a worker that opens a session of the real kernels on a model file and answers
 * with the logits after every position of the sequences it is given. It names session internals that no
 * application can reach, because logits do not cross the public boundary.
 */
import type { Session, SessionOptions } from '../../src/backend/session.ts';
import { runKernelThread, THREAD_NAME } from '../../src/backend/wasm/index.ts';
import { GREEDY } from '../../src/backend/greedy.ts';
import { openStreamed } from './open-session.ts';

declare const self: DedicatedWorkerGlobalScope;

export interface OracleRequest {
  url: string;
  options: SessionOptions;
  sequences: number[][];
}

if (self.name === THREAD_NAME) runKernelThread(self);
else {
  self.addEventListener('message', ({ data }: MessageEvent<OracleRequest>) => {
    answer(data).then(
      (result) => self.postMessage({ result }),
      (error: unknown) => self.postMessage({ error: String(error) }),
    );
  });
}

/** One array for each sequence: position after position, vocabSize logits each. */
async function answer({ url, options, sequences }: OracleRequest): Promise<Float32Array[]> {
  const session = await openStreamed(url, options);
  try {
    const answers: Float32Array[] = [];
    for (const ids of sequences) answers.push(await logitsOf(session, ids));
    return answers;
  } finally {
    session.dispose();
  }
}

async function logitsOf(session: Session, ids: number[]): Promise<Float32Array> {
  const { maxBatch } = session.info();
  const cache = session.createCache();
  const rows: Float32Array[] = [];
  for (let start = 0; start < ids.length; start += maxBatch) {
    const block = ids.slice(start, start + maxBatch);
    const requests = block.map((_, row) => ({ row, sampling: GREEDY }));
    await session.step(block, cache, requests);
    rows.push(...block.map((_, row) => session.logits(row)));
  }
  cache.dispose();
  const vocabSize = rows[0]?.length ?? 0;
  const joined = new Float32Array(rows.length * vocabSize);
  rows.forEach((row, i) => joined.set(row, i * vocabSize));
  return joined;
}
