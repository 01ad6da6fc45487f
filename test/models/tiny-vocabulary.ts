/**
 * A small but real byte-level BPE vocabulary: 256 byte tokens, merges, and the control tokens of ChatML last.
 * Merges join a space or a letter with a letter, so that ordinary text meets both merged and single bytes.
 */
import type { Entry } from './gguf-writer.ts';

export const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;

/** The fewest tokens a tiny vocabulary can have. */
export const LEAST_VOCAB = 256 + CONTROL_TOKENS.length;

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** GPT-2's letter for a byte: printable Latin-1 stands for itself, the rest is moved up to U+0100. */
export function byteLetters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : 256 + moved++),
  );
}

/** Pairs in order of rank; more than any tiny vocabulary asks for. */
function mergePairs(): [string, string][] {
  const letters = [...'etaoinshrdlucmfwypvbgkjqxz'];
  const pairs: [string, string][] = letters.map((letter) => ['Ġ', letter]);
  for (const left of letters) for (const right of letters) pairs.push([left, right]);
  for (const left of letters.slice(0, 8)) {
    for (const right of letters.slice(0, 8)) pairs.push([`Ġ${left}`, right], [`th`, `${left}${right}`]);
  }
  return pairs;
}

/** The tokenizer's metadata entries for a vocabulary of `size` tokens. */
export function tinyVocabulary(size: number): Record<string, Entry> {
  const pairs = mergePairs().slice(0, Math.max(0, size - LEAST_VOCAB));
  const fillers = Array.from(
    { length: size - LEAST_VOCAB - pairs.length },
    (_, index) => `<|unused_${index}|>`,
  );
  const normal = [...byteLetters(), ...pairs.map(([left, right]) => left + right)];
  const controls = [...CONTROL_TOKENS, ...fillers];
  const controlId = (name: string): Entry => ({ u32: normal.length + controls.indexOf(name) });
  return {
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'smollm' },
    'tokenizer.ggml.tokens': { strings: [...normal, ...controls] },
    'tokenizer.ggml.token_type': { i32s: [...normal.map(() => 1), ...controls.map(() => 3)] },
    'tokenizer.ggml.merges': { strings: pairs.map((pair) => pair.join(' ')) },
    'tokenizer.ggml.bos_token_id': controlId('<|im_start|>'),
    'tokenizer.ggml.eos_token_id': controlId('<|im_end|>'),
    'tokenizer.ggml.unknown_token_id': controlId('<|endoftext|>'),
    'tokenizer.ggml.padding_token_id': controlId('<|im_end|>'),
    'tokenizer.ggml.add_bos_token': { bool: false },
    'tokenizer.ggml.add_space_prefix': { bool: false },
    'tokenizer.chat_template': { string: CHATML },
  };
}
