/**
 * The reference forward pass against native llama.cpp on the default model. Its 30 layers amplify every rounding of
 * the 8-bit inputs: native with its cache in 16 bits is 0.004 nats from itself with 32 bits on this text, and 0.01 on
 * others. That distance, measured in the same run, is the yardstick.
 */
import { expect, test } from 'vitest';
import { planModel } from '../../src/model/architectures.ts';
import { readGgufHeader } from '../../src/model/gguf.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { compareLogits } from '../models/compare-logits.ts';
import { hasRealModel, readRealModel, realModelNote, realModelPath } from '../models/real-model.ts';
import { referenceLogits } from '../models/reference-forward.ts';
import { hasNative, nativeLogits, nativeNote } from './native-llama.ts';

const TEXT =
  '<|im_start|>user\nExplain in one sentence why the sky is blue.<|im_end|>\n<|im_start|>assistant\n' +
  'The sky appears blue because molecules in the atmosphere scatter short wavelengths of sunlight, like blue, ' +
  'far more strongly than long ones, like red.<|im_end|>';

test.skipIf(!hasNative || !hasRealModel)(
  `the reference agrees with native llama.cpp on the default model as native does with itself (${nativeNote}; ${realModelNote})`,
  async () => {
    const bytes = readRealModel();
    const header = readGgufHeader(bytes);
    const ids = createTokenizer(header).encode(TEXT, { parseSpecial: true });
    const native = await nativeLogits(realModelPath, ids);
    const itself = compareLogits(native, await nativeLogits(realModelPath, ids, 'F16'), 0.5);
    const reference = compareLogits(native, referenceLogits(planModel(header), bytes, ids), 0.5);
    expect(reference.mean).toBeLessThan(2 * itself.mean);
    expect(reference.argmaxMisses).toBe(0);
  },
);
