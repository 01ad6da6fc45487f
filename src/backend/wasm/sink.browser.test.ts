/**
 * The way of a model into memory: cut anywhere, broken, of a kind the kernels do not run, or too large. One thread, so all of
 * it happens on the test's own page.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { rowsOf, partings, someIds } from '../../../test/kernels/feeding.ts';
import { tinyGguf } from '../../../test/models/tiny-gguf.ts';
import type { TinyOptions } from '../../../test/models/tiny-gguf.ts';
import { planModel } from '../../model/architectures.ts';
import { readGgufHeader } from '../../model/gguf.ts';
import type { ModelPlan, Session, SessionOptions, TensorPlan, WeightSink } from '../session.ts';
import { createWasmSink } from './index.ts';

const OPTIONS: SessionOptions = { threads: 1, simd: 'auto', kv: 'q8', contextLength: 256 };

interface Model {
  bytes: Uint8Array;
  plan: ModelPlan;
  /** Of the first tensor. */
  dataOffset: number;
}

function read(bytes: Uint8Array): Model {
  const header = readGgufHeader(bytes);
  return { bytes, plan: planModel(header), dataOffset: header.dataOffset };
}

const tiny = (options: Partial<TinyOptions>): Model => read(tinyGguf(options));

const open: { abort?(): void; dispose?(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) {
    one.abort?.();
    one.dispose?.();
  }
});

async function sinkFor(plan: ModelPlan, options = OPTIONS): Promise<WeightSink> {
  const sink = await createWasmSink(plan, options);
  open.push(sink);
  return sink;
}

async function finished(sink: WeightSink): Promise<Session> {
  const session = await sink.finish();
  open.push(session);
  return session;
}

/** Feeds the file in pieces from one buffer that is spoilt after every call, as callers may. */
function feed(sink: WeightSink, { bytes, dataOffset }: Model, size: number, end = bytes.length): void {
  const buffer = new Uint8Array(size);
  for (let at = dataOffset; at < end; at += size) {
    const piece = buffer.subarray(0, Math.min(size, end - at));
    piece.set(bytes.subarray(at, at + piece.length));
    sink.write(at, piece);
    piece.fill(0xaa);
  }
}

async function sessionOf(model: Model, size = model.bytes.length): Promise<Session> {
  const sink = await sinkFor(model.plan);
  feed(sink, model, size);
  return finished(sink);
}

const UNEVEN = { vocab: 333, tied: false, ropeFactors: true, hidden: 96, heads: 3, kvHeads: 3, ffn: 160 };
const ids = someIds(20);

describe.each(['Q4_1', 'Q8_0'] as const)('a %s file', (type) => {
  const model = tiny({ ...UNEVEN, type });

  test('gives the same bits however its stream is cut', async () => {
    const whole = await rowsOf(await sessionOf(model), ids);
    for (const size of [1, 7, 20, 34, 641, 4096, 65_537]) {
      const cut = await rowsOf(await sessionOf(model, size), ids);
      expect(partings(whole, cut), `in pieces of ${size}`).toEqual([]);
    }
  });

  test('is refused when bytes are missing at its end, by the name of the tensor', async () => {
    for (const { name, fileOffset, byteLength } of model.plan.tensors) {
      for (const end of [fileOffset, fileOffset + (byteLength >> 1), fileOffset + byteLength - 1]) {
        const sink = await sinkFor(model.plan);
        feed(sink, model, 4096, end);
        const refused = { code: 'invalid_model', message: expect.stringContaining(`'${name}'`) };
        await expect(sink.finish(), `${name} to ${end}`).rejects.toMatchObject(refused);
        sink.abort();
      }
    }
  });

  test('is refused when a scale is negative, by the name of the tensor', async () => {
    const blockBytes = type === 'Q4_1' ? 20 : 34;
    for (const { name, type: own, fileOffset, byteLength } of model.plan.tensors) {
      if (own === 'F32') continue;
      for (const block of [0, 17, byteLength / blockBytes - 1]) {
        const bytes = model.bytes.slice();
        bytes[fileOffset + block * blockBytes + 1]! |= 0x80;
        const sink = await sinkFor(model.plan);
        expect(() => feed(sink, { ...model, bytes }, 4096), `${name}, block ${block}`).toThrow(
          expect.objectContaining({ code: 'invalid_model', message: expect.stringContaining(`'${name}'`) }),
        );
        sink.abort();
      }
    }
  });

  test('may not have a hole in its stream', async () => {
    const [first] = model.plan.tensors;
    for (const hole of [1, 100, 5000]) {
      const sink = await sinkFor(model.plan);
      const middle = first!.fileOffset + 40;
      sink.write(model.dataOffset, model.bytes.slice(model.dataOffset, middle));
      expect(() => sink.write(middle + hole, model.bytes.slice(middle + hole)), `${hole} bytes`).toThrow(
        'file order',
      );
    }
  });
});

test('a sink can be aborted at any time, and takes nothing afterwards', async () => {
  const model = tiny({ type: 'Q4_1' });
  for (const part of [0, 0.001, 0.5, 0.999, 1]) {
    const sink = await sinkFor(model.plan);
    const end = model.dataOffset + Math.floor((model.bytes.length - model.dataOffset) * part);
    feed(sink, model, 4096, end);
    sink.abort();
    sink.abort();
    if (part < 1) expect(() => sink.write(end, model.bytes.slice(end))).toThrow('aborted');
    await expect(sink.finish()).rejects.toThrow('aborted');
  }
});

test('an abort after the end leaves the session alone', async () => {
  const model = tiny({ type: 'Q4_1' });
  const sink = await sinkFor(model.plan);
  feed(sink, model, 4096);
  const session = await finished(sink);
  sink.abort();
  expect(partings(await rowsOf(session, ids), await rowsOf(await sessionOf(model), ids))).toEqual([]);
});

describe('what the kernels cannot run is refused before a byte is taken', () => {
  const refusal = (message: string | RegExp): object => ({
    code: 'unsupported_model',
    message: expect.stringMatching(message),
  });

  test('a matrix whose rows are not whole blocks, by its name', async () => {
    const { plan } = tiny({ type: 'Q4_1' });
    for (const [role, name] of [
      ['embedding', 'token_embd.weight'],
      ['down', 'blk.0.ffn_down.weight'],
      ['key', 'blk.0.attn_k.weight'],
    ] as const) {
      const tensors = plan.tensors.map((tensor): TensorPlan =>
        tensor.role === role && tensor.layer <= 0 ? { ...tensor, type: 'Q6_K' } : tensor,
      );
      await expect(createWasmSink({ ...plan, tensors }, OPTIONS)).rejects.toMatchObject(
        refusal(`'${name}' is Q6_K with`),
      );
    }
  });

  test('a vector that is not F32, by its name', async () => {
    const { plan } = tiny({ type: 'Q4_1' });
    const tensors = plan.tensors.map((tensor): TensorPlan =>
      tensor.role === 'final-norm' ? { ...tensor, type: 'F16' } : tensor,
    );
    await expect(createWasmSink({ ...plan, tensors }, OPTIONS)).rejects.toMatchObject(
      refusal("'output_norm.weight' is F16"),
    );
  });

  test.each([
    [{ hiddenSize: 48 }, 'hidden size is 48'],
    [{ ffnSize: 40 }, 'feed-forward size is 40'],
    [
      { headSize: 16, ropes: [{ base: 10_000, size: 16, pairs: 'neighbours', scaling: { kind: 'none' } }] },
      'head size is 16',
    ],
    [
      { headSize: 288, ropes: [{ base: 10_000, size: 288, pairs: 'neighbours', scaling: { kind: 'none' } }] },
      'head size is 288',
    ],
    [{ headCount: 3, kvHeadCount: 2 }, '3 heads cannot share 2'],
    [{ ropes: [{ base: 10_000, size: 12, pairs: 'halves', scaling: { kind: 'none' } }] }, 'rotates 12 of 32'],
    [
      { ropes: [{ base: 10_000, size: 64, pairs: 'neighbours', scaling: { kind: 'none' } }] },
      'rotates 64 of 32',
    ],
    [{ layerCount: 5000 }, '5000 layers'],
  ] as const)('a shape: %o', async (change, message) => {
    const { plan } = tiny({ type: 'Q4_1' });
    const shape = { ...plan.shape, ...change };
    await expect(createWasmSink({ ...plan, shape }, OPTIONS)).rejects.toMatchObject(refusal(message));
  });
});

describe('memory that is not there is an error with both numbers', () => {
  const shortage = {
    code: 'out_of_memory',
    details: { neededBytes: expect.any(Number), availableBytes: expect.any(Number) },
  };

  test('for weights, before a byte is taken', async () => {
    const { plan } = tiny({ type: 'Q8_0' });
    const rows = 2 ** 27;
    const tensors = plan.tensors.map((tensor) =>
      tensor.role === 'embedding' ? { ...tensor, rows, byteLength: rows * 68 } : tensor,
    );
    const error = await createWasmSink({ ...plan, tensors }, OPTIONS).catch((caught: unknown) => caught);
    expect(error).toMatchObject(shortage);
    const { neededBytes, availableBytes } = (error as { details: Record<string, number> }).details;
    expect(neededBytes).toBeGreaterThan(rows * 68);
    expect(neededBytes).toBeGreaterThan(availableBytes!);
  });

  test('for a context that is too long', async () => {
    const contextLength = 2 ** 28;
    const model = tiny({ type: 'Q4_1', heads: 8, kvHeads: 1, headSize: 128, contextLength });
    const sink = await sinkFor(model.plan, { ...OPTIONS, contextLength });
    feed(sink, model, 4096);
    await expect(sink.finish()).rejects.toMatchObject(shortage);
  });
});
