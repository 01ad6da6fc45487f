import { afterEach, expect, test } from 'vitest';
import { partings, rowsOf, someIds } from '../../../test/kernels/feeding.ts';
import { writeGguf } from '../../../test/models/gguf-writer.ts';
import { tinyParts } from '../../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../../test/models/tiny-gguf.ts';
import { planModel } from '../../model/architectures.ts';
import { readGgufHeader } from '../../model/gguf.ts';
import type { Session, SessionOptions } from '../session.ts';
import { createWasmSink } from '../wasm/index.ts';
import { LayerParts } from './one-layer.ts';

// How keys of 8 bits are centred depends on the vocabulary, which is cut here.
const OPTIONS: SessionOptions = { threads: 1, simd: 'auto', kv: 'f32', contextLength: 64 };
const open: Session[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.dispose();
});

/** Takes the file in pieces of `size` until nothing is wanted; says where that was. */
function collect(bytes: Uint8Array, size: number): { layer: LayerParts; readTo: number } {
  const header = readGgufHeader(bytes);
  const layer = new LayerParts(planModel(header));
  let at = header.dataOffset;
  while (!layer.isComplete) {
    layer.take(at, bytes.slice(at, at + size));
    at += size;
  }
  return { layer, readTo: Math.min(at, bytes.length) };
}

async function wholeSession(bytes: Uint8Array): Promise<Session> {
  const header = readGgufHeader(bytes);
  const sink = await createWasmSink(planModel(header), OPTIONS);
  sink.write(header.dataOffset, bytes.subarray(header.dataOffset));
  return kept(await sink.finish());
}

function kept(session: Session): Session {
  open.push(session);
  return session;
}

/** Two layers of which the second comes first in the file, behind the final norm; and the second one alone. */
function twoAndOne(options: Partial<TinyOptions>): { two: Uint8Array; one: Uint8Array } {
  const { metadata, tensors } = tinyParts({ ...options, layers: 2 });
  const of = (start: string): typeof tensors => tensors.filter(({ name }) => name.startsWith(start));
  const others = tensors.filter(({ name }) => !name.startsWith('blk.')).reverse();
  const two = writeGguf(metadata, [...others, ...of('blk.1.'), ...of('blk.0.')]);
  const alone = of('blk.1.').map((tensor) => ({ ...tensor, name: tensor.name.replace('blk.1.', 'blk.0.') }));
  const count = `${options.architecture ?? 'llama'}.block_count`;
  const one = writeGguf({ ...metadata, [count]: { u32: 1 } }, [...others, ...alone]);
  return { two, one };
}

test.each<[string, Partial<TinyOptions>]>([
  ['Q4_1', { type: 'Q4_1' }],
  ['a head of its own', { type: 'Q8_0', types: { head: 'Q4_0' }, tied: false }],
  ['biases', { architecture: 'qwen2', type: 'Q8_0' }],
  ['fused tensors and a head bias', { architecture: 'phi3', type: 'Q5_0' }],
])('with %s the first layer of the file runs as it does in a model of its own', async (_, options) => {
  const { two, one } = twoAndOne(options);
  const { layer, readTo } = collect(two, 1000);
  expect(readTo).toBeLessThan(two.length);
  const ids = someIds(20);
  const rows = await rowsOf(kept(await layer.open(1, createWasmSink, OPTIONS)), ids);
  const whole = await rowsOf(await wholeSession(one), ids);
  expect(rows[0]).toHaveLength(256);
  expect(
    partings(
      rows,
      whole.map((row) => row.slice(0, 256)),
    ),
  ).toEqual([]);
});

test('what lies behind the layer is not waited for', async () => {
  const { metadata, tensors } = tinyParts({ type: 'Q8_0', layers: 3, tied: false });
  const bytes = writeGguf(metadata, tensors);
  const { layer, readTo } = collect(bytes, 64);
  expect(readTo).toBeLessThan(bytes.length / 2);
  const session = kept(await layer.open(2, createWasmSink, OPTIONS));
  const [row] = await rowsOf(session, someIds(5));
  expect(row!.every(Number.isFinite)).toBe(true);
});

test('repeated, the layer is run again', async () => {
  const { two } = twoAndOne({ type: 'Q4_1' });
  const { layer } = collect(two, 1 << 20);
  const ids = someIds(8);
  const [once, twice] = [
    await rowsOf(kept(await layer.open(1, createWasmSink, OPTIONS)), ids),
    await rowsOf(kept(await layer.open(2, createWasmSink, OPTIONS)), ids),
  ];
  expect(partings(once, twice)).toHaveLength(ids.length);
  expect(layer.headBytes.whole).toBeGreaterThan(layer.headBytes.here);
});
