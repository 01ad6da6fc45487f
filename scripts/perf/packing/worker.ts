/**
 * Packing by itself, without the reading of the file: a model that lies in memory goes through a sink as its bytes would
 * arrive, and how long that takes is the answer.
 */
import { createWasmSink } from '../../../src/backend/wasm/index.ts';
import { planModel } from '../../../src/model/architectures.ts';
import { readGgufHeader } from '../../../src/model/gguf.ts';

declare const self: DedicatedWorkerGlobalScope;

export interface PackingRequest {
  url: string;
  rounds: number;
}

/** As they come from the network or the disk. */
const PIECE_BYTES = 4 << 20;

self.addEventListener('message', ({ data }: MessageEvent<PackingRequest>) => {
  secondsPerGigabyte(data).then(
    (result) => self.postMessage({ result }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
});

/** One figure for each round, each into a memory of its own. */
async function secondsPerGigabyte({ url, rounds }: PackingRequest): Promise<number[]> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const plan = planModel(readGgufHeader(bytes));
  const start = plan.tensors[0]!.fileOffset;
  const options = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 512 } as const;
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const sink = await createWasmSink(plan, options);
    const began = performance.now();
    for (let at = start; at < bytes.length; at += PIECE_BYTES) {
      sink.write(at, bytes.subarray(at, Math.min(bytes.length, at + PIECE_BYTES)));
    }
    figures.push((performance.now() - began) / 1000 / ((bytes.length - start) / 1e9));
    sink.abort();
  }
  return figures;
}
