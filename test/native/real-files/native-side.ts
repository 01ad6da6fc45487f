/** Greedy answers of native llama.cpp, with the logits behind each token. */
import { openNative } from '../../../scripts/lib/peers.mjs';
import { argmax } from '../../models/compare-logits.ts';
import type { Sequence } from './sequences.ts';

export interface NativeSequence extends Sequence {
  /** Behind each token of the answer. */
  logits: Float32Array[];
}

/** `count` tokens for each prompt, fewer where the model ends its answer. */
export async function answerNatively(
  path: string,
  prompts: readonly string[],
  count: number,
): Promise<NativeSequence[]> {
  const native = await openNative(path, { threads: 2, contextSize: 1024 });
  const found: NativeSequence[] = [];
  for (const text of prompts) {
    await native.sequence.clearHistory();
    const prompt: number[] = native.model.tokenize(text, true).map(Number);
    const logits: Float32Array[] = [];
    const answer: number[] = [];
    let ids = prompt;
    while (answer.length < count) {
      const asked = [
        ...ids.slice(0, -1),
        [ids.at(-1), { generateNext: { probabilities: false, logits: true } }],
      ];
      const row = toRow((await native.sequence.controlledEvaluate(asked)).at(-1).next.logits);
      const next = argmax(row);
      logits.push(row);
      answer.push(next);
      if (native.model.isEogToken(next)) break;
      ids = [next];
    }
    found.push({ prompt, answer, logits });
  }
  await native.close();
  return found;
}

function toRow(logits: ReadonlyMap<number, number>): Float32Array {
  const row = new Float32Array(logits.size);
  for (const [id, logit] of logits) row[id] = logit;
  return row;
}
