/**
 * selvedge's side of the comparison on real files: follows sequences that native llama.cpp wrote, token by token as it
 * would decode them, and tells at each step what it would have chosen itself.
 */
import { openStreamed } from '../../../scripts/oracle/open-session.ts';
import type { Session, SessionOptions } from '../../../src/backend/session.ts';
import { runKernelThread, THREAD_NAME } from '../../../src/backend/wasm/index.ts';
import { GREEDY } from '../../../src/backend/greedy.ts';
import type { Followed, Sequence } from './sequences.ts';

declare const self: DedicatedWorkerGlobalScope;

if (self.name === THREAD_NAME) runKernelThread(self);
else {
  self.addEventListener('message', ({ data }: MessageEvent<{ url: string; sequences: Sequence[] }>) => {
    answer(data.url, data.sequences).then(
      (result) => self.postMessage({ result }),
      (error: unknown) => self.postMessage({ error: String(error) }),
    );
  });
}

const options: SessionOptions = { threads: 2, simd: 'auto', kv: 'q8', contextLength: 1024 };

async function answer(url: string, sequences: Sequence[]): Promise<Followed> {
  const start = performance.now();
  const session = await openStreamed(url, options);
  const loadMs = performance.now() - start;
  try {
    const steps: number[][] = [];
    for (const sequence of sequences) steps.push(await follow(session, sequence));
    return { steps, loadMs, memory: session.info().memory };
  } finally {
    session.dispose();
  }
}

async function follow(session: Session, { prompt, answer: expected }: Sequence): Promise<number[]> {
  const cache = session.createCache();
  const steps: number[] = [];
  let ids: readonly number[] = prompt;
  for (const id of expected) {
    // Prompts are shorter than a block.
    const [pick] = await session.step(ids, cache, [{ row: ids.length - 1, sampling: GREEDY }]);
    steps.push(pick!.id);
    ids = [id];
  }
  cache.dispose();
  return steps;
}
