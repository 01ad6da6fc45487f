/**
 * Native llama.cpp (node-llama-cpp from test/peers, its ready-made CPU build) as the judge of our readings of the
 * format. Where it is not installed the comparisons skip, and their names say so.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../peers/node_modules/node-llama-cpp/dist/index.js', import.meta.url));

export const hasNative = existsSync(entry);

/** For the names of tests. */
export const nativeNote = hasNative
  ? 'node-llama-cpp'
  : 'skipped: node-llama-cpp is not installed in test/peers';

/** The part of its interface that is used here. Tokens are plain numbers. */
interface NativeSequence {
  controlledEvaluate(
    input: (number | [number, { generateNext: { logits: true } }])[],
  ): Promise<(undefined | { next: { logits?: Map<number, number> } })[]>;
  dispose(): void;
}
interface NativeContext {
  getSequence(): NativeSequence;
  dispose(): Promise<void>;
}
interface NativeModel {
  tokenize(text: string, specialTokens: boolean): number[];
  detokenize(ids: readonly number[], specialTokens: boolean): string;
  createContext(options: object): Promise<NativeContext>;
  dispose(): Promise<void>;
}
interface Native {
  loadModel(options: { modelPath: string; vocabOnly?: boolean }): Promise<NativeModel>;
  dispose(): Promise<void>;
}

async function load(): Promise<Native> {
  const { getLlama } = (await import(/* @vite-ignore */ entry)) as {
    getLlama(options: object): Promise<Native>;
  };
  return getLlama({ gpu: false, build: 'never', logLevel: 'error', progressLogs: false });
}

/** Runs `use` with the tokenizer of a file. */
export async function withNativeTokenizer(
  modelPath: string,
  use: (tokenizer: Pick<NativeModel, 'tokenize' | 'detokenize'>) => void,
): Promise<void> {
  const native = await load();
  const model = await native.loadModel({ modelPath, vocabOnly: true });
  try {
    use(model);
  } finally {
    await model.dispose();
    await native.dispose();
  }
}

/** Logits after each position, as native llama.cpp computes them on one thread; `kv` is the type of keys and values. */
export async function nativeLogits(
  modelPath: string,
  ids: readonly number[],
  kv: 'F32' | 'F16' = 'F32',
): Promise<Float32Array[]> {
  const native = await load();
  const model = await native.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize: 256,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: kv,
    experimentalKvCacheValueType: kv,
  });
  try {
    const sequence = context.getSequence();
    const rows = await sequence.controlledEvaluate(ids.map((id) => [id, { generateNext: { logits: true } }]));
    return rows.map((row) => {
      const logits = row?.next.logits;
      if (!logits) throw new Error('node-llama-cpp returned no logits for a position');
      const values = new Float32Array(logits.size);
      for (const [id, logit] of logits) values[id] = logit;
      return values;
    });
  } finally {
    await context.dispose();
    await model.dispose();
    await native.dispose();
  }
}
