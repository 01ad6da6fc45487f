/**
 * Ten thousand damaged model files, and damaged chat templates, go the whole way that a header goes before weights
 * are fetched. Each is read or refused with an error of ours; nothing hangs, and none makes the library ask for
 * 64 MiB before the file proved that it has something to put there.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planLoad } from '../../src/engine/memory.ts';
import { SelvedgeError } from '../../src/errors.ts';
import { planModel } from '../../src/model/architectures.ts';
import { createChatTemplate } from '../../src/model/chat-template.ts';
import { GgufHeaderReader, readGgufHeader, type GgufHeader } from '../../src/model/gguf.ts';
import { TextStream } from '../../src/model/text-stream.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { writeGguf } from '../models/gguf-writer.ts';
import { seeded, type Random } from '../models/random.ts';
import { tinyParts, type TinyArchitecture } from '../models/tiny-gguf.ts';
import { probeAllocations, type AllocationProbe } from './allocation-probe.ts';
import { NUMBERS, damageBytes, damageEntries, damageText, smallNumbersOf } from './mutations.ts';

const LIMIT = 64 * 2 ** 20;
const ARCHITECTURES: readonly TinyArchitecture[] = [
  'llama',
  'qwen2',
  'qwen3',
  'gemma3',
  'phi3',
  'smollm3',
  'granite',
];

const files = ARCHITECTURES.map((architecture) => {
  const { metadata, tensors } = tinyParts({
    architecture,
    vocab: 300,
    layers: 1,
    hidden: 32,
    heads: 1,
    ffn: 32,
  });
  const whole = writeGguf(metadata, tensors);
  // What comes before the weights.
  const headerBytes = whole.slice(0, readGgufHeader(whole).dataOffset);
  return { metadata, tensors, headerBytes, byteLength: whole.length };
});

/** One for each seed. */
function fileOf(random: Random): (typeof files)[number] {
  return files[random.below(files.length)]!;
}

let probe: AllocationProbe;
beforeAll(() => (probe = probeAllocations()));
afterAll(() => probe.stop());

/** What became of a file: 'read', or the code of the error. Other errors are thrown. */
function outcomeOf(use: () => void): string {
  try {
    use();
    return 'read';
  } catch (error) {
    if (error instanceof SelvedgeError) return error.code;
    throw error;
  }
}

function readInPieces(bytes: Uint8Array, fileByteLength: number, random: Random): GgufHeader {
  const reader = new GgufHeaderReader(fileByteLength);
  const largest = [1 << 20, 1 << 20, 4096, 700][random.below(4)]!;
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(largest);
    const header = reader.push(bytes.subarray(at, at + size));
    if (header) return header;
    at += size;
  }
  return reader.end();
}

/** All that the engine makes of a header, and some use of it. */
function openHeader(header: GgufHeader): void {
  const plan = planModel(header);
  planLoad(plan, { threads: 1, simd: 'auto', kv: 'q8', contextLength: 'fit' });
  const tokenizer = createTokenizer(header);
  const template = createChatTemplate(header, tokenizer);
  const ids = tokenizer.encode('The <|im_start|> crab 🦀 ate 1,234\n\n  pies.', { parseSpecial: true });
  tokenizer.decode(ids);
  const stream = new TextStream(tokenizer);
  for (const id of ids) stream.push(id);
  template.renderToIds([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello <|im_end|>' },
  ]);
}

/** Runs `attempt` for each seed and returns how often each outcome came. */
function tally(count: number, attempt: (random: Random, seed: number) => void): Map<string, number> {
  const outcomes = new Map<string, number>();
  for (let seed = 0; seed < count; seed++) {
    probe.takeBytes();
    let outcome: string;
    try {
      outcome = outcomeOf(() => attempt(seeded(seed), seed));
    } catch (cause) {
      throw new Error(`seed ${seed} breaks the reader`, { cause });
    }
    const bytes = probe.takeBytes();
    if (bytes > LIMIT) throw new Error(`seed ${seed} (${outcome}) asked for ${bytes} bytes`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

describe('a damaged header is read or refused', () => {
  test('8,000 files with damaged bytes', () => {
    const outcomes = tally(8000, (random) => {
      const { headerBytes, byteLength } = fileOf(random);
      // The length that the server states is the true one, or one that hides absurd counts.
      const stated = random.below(2) ? byteLength : 2 ** 32;
      openHeader(readInPieces(damageBytes(headerBytes, random), stated, random));
    });
    // All ends are reached: a test in which everything is refused at sight would prove nothing.
    for (const outcome of ['read', 'invalid_model', 'unsupported_model']) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(100);
    }
  });

  test('2,000 files with damaged metadata', () => {
    const outcomes = tally(2000, (random) => {
      const { metadata, tensors } = fileOf(random);
      const bytes = writeGguf(damageEntries(metadata, random), tensors);
      openHeader(readInPieces(bytes, bytes.length, random));
    });
    for (const outcome of ['read', 'invalid_model', 'unsupported_model']) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(100);
    }
  });
});

test('every count and length in a header may be absurd', () => {
  const { headerBytes } = files[0]!;
  const places = smallNumbersOf(headerBytes);
  expect(places.length).toBeGreaterThan(300);
  const outcomes = tally(places.length * NUMBERS.length, (random, seed) => {
    const bytes = headerBytes.slice();
    const place = places[Math.floor(seed / NUMBERS.length)]!;
    new DataView(bytes.buffer).setBigUint64(place, NUMBERS[seed % NUMBERS.length]!, true);
    openHeader(readInPieces(bytes, 2 ** 32, random));
  });
  expect(outcomes.get('invalid_model')).toBeGreaterThan(1000);
});

test('a damaged chat template renders or is refused', () => {
  const [{ metadata, headerBytes, byteLength }] = files as [(typeof files)[number]];
  const entry = metadata['tokenizer.chat_template'];
  const source = entry && 'string' in entry ? entry.string : '';
  const header = readGgufHeader(headerBytes, byteLength);
  const tokenizer = createTokenizer(header);
  const outcomes = tally(2000, (random) => {
    let text = source;
    for (let count = 1 + random.below(3); count > 0; count--) text = damageText(text, random);
    const damaged = { ...header, metadata: new Map([...header.metadata, ['tokenizer.chat_template', text]]) };
    createChatTemplate(damaged, tokenizer).renderToIds([{ role: 'user', content: 'Hello' }]);
  });
  expect(outcomes.get('read')).toBeGreaterThan(100);
  expect(outcomes.get('unsupported_model')).toBeGreaterThan(100);
});

test('the probe sees what is asked for, granted or not', () => {
  probe.takeBytes();
  expect(() => new Uint8Array(2 ** 53)).toThrow(RangeError);
  void Array.from({ length: 1000 }, () => 0);
  expect(probe.takeBytes()).toBeGreaterThan(2 ** 53);
});
