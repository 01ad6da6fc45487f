/**
 * How much of the vocabulary a draft model is asked about. Reading the head takes a small model a third of its time, and nearly
 * all text is made of few tokens (FR-Spec, 2502.14856). Byte pairs and sentence pieces are numbered as they were merged, the
 * frequent ones first, so these are the first ones: of 151,936 the first 65,536 hold 98 % of a model's code and English, and
 * a draft token of a model with 0.5 billion weights takes four fifths of the time.
 *
 * Other languages lie further back: where the text shows such tokens, the whole vocabulary is asked again.
 */

const COMMON = 65_536;
/** Of smaller vocabularies too little is left unread to make up for the tokens that are never drafted then. */
const LEAST_VOCABULARY = 1.5 * COMMON;
/** The share of uncommon tokens above which they are drafted too: what they gain is then more than what reading takes. */
const MOST_UNCOMMON = 1 / 16;
/** Tokens that the share looks back over. */
const MEMORY = 128;

export class CommonTokens {
  readonly #vocabSize: number;
  /** Of late. A text begins as one without uncommon tokens. */
  #uncommonShare = 0;

  constructor(vocabSize: number) {
    this.#vocabSize = vocabSize;
  }

  observe(id: number): void {
    this.#uncommonShare += ((id < COMMON ? 0 : 1) - this.#uncommonShare) / MEMORY;
  }

  reset(): void {
    this.#uncommonShare = 0;
  }

  /** The first so many tokens are worth asking about. */
  count(): number {
    const isCommon = this.#vocabSize >= LEAST_VOCABULARY && this.#uncommonShare <= MOST_UNCOMMON;
    return isCommon ? COMMON : this.#vocabSize;
  }
}
