/**
 * What the oracle needs of the library and of its tests, bundled for Node by scripts/oracle.mjs.
 */
export { planModel } from '../../src/model/architectures.ts';
export { readGgufHeader } from '../../src/model/gguf.ts';
export { createTokenizer } from '../../src/model/tokenizer.ts';
export { argmax, compareLogits } from '../../test/models/compare-logits.ts';
export { referenceLogits } from '../../test/models/reference-forward.ts';
