/**
 * One block of a prefix as it lies on disk. A record proves itself: it carries its own name and the SHA-256 of all it is,
 * so one that is torn, cut, changed, of another version or under another's name is nothing. The browser's digest works on
 * another thread at more than a gigabyte per second.
 *
 *   u32 magic, version, positions, bytes of content; the name (64 hex digits); the content; SHA-256 of all before it
 */
import { digest } from './sha256.ts';

const MAGIC = 0x50425653; // 'SVBP'
const VERSION = 1;
const NAME_AT = 16;
const NAME_BYTES = 64;
const HEADER_BYTES = NAME_AT + NAME_BYTES;
const HASH_BYTES = 32;

export async function encodeBlock(
  key: string,
  positions: number,
  content: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const record = new Uint8Array(HEADER_BYTES + content.length + HASH_BYTES);
  const view = new DataView(record.buffer);
  [MAGIC, VERSION, positions, content.length].forEach((word, i) => view.setUint32(i * 4, word, true));
  new TextEncoder().encodeInto(key, record.subarray(NAME_AT, HEADER_BYTES));
  record.set(content, HEADER_BYTES);
  const end = HEADER_BYTES + content.length;
  record.set(await digest(record.subarray(0, end)), end);
  return record;
}

/** The content of the block `key` of so many positions; undefined if `value` is anything else. */
export async function decodeBlock(
  value: unknown,
  key: string,
  positions: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!(value instanceof ArrayBuffer) || value.byteLength < HEADER_BYTES + HASH_BYTES) return undefined;
  const record = new Uint8Array(value);
  const view = new DataView(value);
  const end = record.length - HASH_BYTES;
  const expected = [MAGIC, VERSION, positions, end - HEADER_BYTES];
  if (!expected.every((word, i) => view.getUint32(i * 4, true) === word)) return undefined;
  if (new TextDecoder().decode(record.subarray(NAME_AT, HEADER_BYTES)) !== key) return undefined;
  const hash = await digest(record.subarray(0, end));
  return hash.every((byte, i) => byte === record[end + i]) ? record.subarray(HEADER_BYTES, end) : undefined;
}
