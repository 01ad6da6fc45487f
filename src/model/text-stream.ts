/**
 * Text from tokens as they are generated. A character whose bytes have not all arrived is held back; bytes that
 * are not UTF-8 become U+FFFD exactly as if all were decoded at once: what `push` and `flush` return, joined,
 * equals `tokenizer.decode` of all ids.
 */
import type { Tokenizer } from './tokenizer.ts';

export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #named: ReadonlySet<number> | 'all';
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** `named`: the control tokens that appear by name instead of not at all. */
  constructor(
    tokenizer: Tokenizer,
    { named = new Set() }: { named?: ReadonlySet<number> | 'all' | undefined } = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#named = named;
  }

  /** The text that is complete with this token; often empty. */
  push(id: number): string {
    if (this.#tokenizer.isControl(id) && this.#named !== 'all' && !this.#named.has(id)) return '';
    return this.#decoder.decode(this.#tokenizer.tokenBytes(id), { stream: true });
  }

  /** What was held back, at the end of the answer. */
  flush(): string {
    return this.#decoder.decode();
  }
}
