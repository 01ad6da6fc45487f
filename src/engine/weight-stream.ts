/**
 * The bytes of one model stream once: from the store through the header's reader, and from there on into the backend,
 * which packs them as they come. On any error nothing stays allocated, and a stored copy that is no use goes.
 */
import type { Session, WeightSink } from '../backend/session.ts';
import { SelvedgeError } from '../errors.ts';
import { GgufHeaderReader } from '../model/gguf.ts';
import type { GgufHeader } from '../model/gguf.ts';
import type { ModelFile, ModelSource, ModelStore, OpenOptions } from '../storage/model-file.ts';
import { openParts } from './model-parts.ts';
import type { ModelParts } from './model-parts.ts';

/** Opens what is at `source` for `use`, and closes it. */
export async function withModelFile<T>(
  store: ModelStore,
  source: ModelSource,
  open: OpenOptions,
  use: (file: ModelParts) => Promise<T>,
): Promise<T> {
  const file = await openParts(store, source, open);
  try {
    return await use(file);
  } catch (error) {
    // Whether or not that succeeds, what went wrong first is what counts.
    if (isNoUse(error, file)) await file.discard().catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Whether the stored bytes can never be loaded. A model of an unknown kind is another matter once all of it is
 * stored: a later version may run it.
 */
function isNoUse(error: unknown, { origin }: ModelFile): boolean {
  if (!(error instanceof SelvedgeError)) return false;
  return error.code === 'invalid_model' || (error.code === 'unsupported_model' && origin === 'network');
}

/** The header alone. What was read of the file for it is stored as far as it goes. */
export async function readModelHeader(
  file: ModelParts,
  { signal }: Pick<OpenOptions, 'signal'>,
): Promise<GgufHeader> {
  const reader = new GgufHeaderReader(file.byteLength);
  for await (const { bytes } of file.read()) {
    signal?.throwIfAborted();
    const header = reader.push(bytes);
    if (header) return file.wholeHeader(header);
  }
  return reader.end();
}

/** `openHeader` refuses what cannot be run, or says where the weights go. */
export async function streamWeights<T extends { sink: WeightSink }>(
  file: ModelParts,
  { signal, onProgress }: OpenOptions,
  openHeader: (header: GgufHeader) => Promise<T>,
): Promise<T & { session: Session }> {
  const reader = new GgufHeaderReader(file.byteLength);
  let opened: T | undefined;
  let dataOffset = 0;
  try {
    for await (const { offset, bytes } of file.read()) {
      signal?.throwIfAborted();
      if (!opened) {
        const first = reader.push(bytes);
        if (!first) continue;
        const header = await file.wholeHeader(first);
        dataOffset = header.dataOffset;
        opened = await openHeader(header);
      }
      const skipped = Math.max(0, dataOffset - offset);
      if (skipped < bytes.length) opened.sink.write(offset + skipped, bytes.subarray(skipped));
    }
    if (!opened) return reader.end();
    const { byteLength } = file;
    onProgress?.({ phase: 'pack', loadedBytes: byteLength, totalBytes: byteLength, bytesPerSecond: 0 });
    const session = await opened.sink.finish();
    if (signal?.aborted) session.dispose();
    signal?.throwIfAborted();
    return { ...opened, session };
  } catch (error) {
    opened?.sink.abort();
    throw error;
  }
}
