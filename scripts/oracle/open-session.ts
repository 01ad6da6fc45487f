/**
 * A session of the real kernels on a model file, without its tokenizer: the bytes stream from the store into the sink as
 * the engine lets them, so that the largest file is nowhere whole.
 */
import type { Session, SessionOptions, WeightSink } from '../../src/backend/session.ts';
import { createWasmSink } from '../../src/backend/wasm/index.ts';
import { planModel } from '../../src/model/architectures.ts';
import { GgufHeaderReader } from '../../src/model/gguf.ts';
import { createModelStore } from '../../src/storage/weights.ts';

export async function openStreamed(url: string, options: SessionOptions): Promise<Session> {
  const file = await createModelStore().open({ kind: 'url', url, id: url }, {});
  const reader = new GgufHeaderReader(file.byteLength);
  let sink: WeightSink | undefined;
  let dataOffset = 0;
  for await (const { offset, bytes } of file.read()) {
    const header = sink ? undefined : reader.push(bytes);
    if (header) {
      sink = await createWasmSink(planModel(header), options);
      dataOffset = header.dataOffset;
    }
    const skipped = Math.max(0, dataOffset - offset);
    if (skipped < bytes.length) sink?.write(offset + skipped, bytes.subarray(skipped));
  }
  return sink ? sink.finish() : reader.end();
}
