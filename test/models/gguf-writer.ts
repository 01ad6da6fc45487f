/**
 * Writes GGUF files, version 3. Independent of the reader it tests: nothing of src/model is used here.
 */

const TYPE_IDS = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
} as const;

/** The value types that models use; the tag says which one the file has. */
export type Entry =
  | { u16: number }
  | { u32: number }
  | { i32: number }
  | { u64: bigint }
  | { f32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: readonly string[] }
  | { f32s: readonly number[] }
  | { i32s: readonly number[] };

export interface TensorToWrite {
  name: string;
  type: keyof typeof TYPE_IDS;
  dims: readonly number[];
  bytes: Uint8Array;
}

const encoder = new TextEncoder();

class Bytes {
  #parts: Uint8Array[] = [];
  length = 0;

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.length += bytes.length;
  }

  number(size: number, set: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(size));
    set(view);
    this.raw(new Uint8Array(view.buffer));
  }

  u8(value: number): void {
    this.number(1, (view) => view.setUint8(0, value));
  }

  u16(value: number): void {
    this.number(2, (view) => view.setUint16(0, value, true));
  }

  u32(value: number): void {
    this.number(4, (view) => view.setUint32(0, value, true));
  }

  i32(value: number): void {
    this.number(4, (view) => view.setInt32(0, value, true));
  }

  u64(value: number | bigint): void {
    this.number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  f32(value: number): void {
    this.number(4, (view) => view.setFloat32(0, value, true));
  }

  string(value: string): void {
    const bytes = encoder.encode(value);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  pad(alignment: number): void {
    this.raw(new Uint8Array(Math.ceil(this.length / alignment) * alignment - this.length));
  }

  join(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

function writeEntry(out: Bytes, entry: Entry): void {
  const typed = (type: number, write: () => void): void => {
    out.u32(type);
    write();
  };
  if ('u16' in entry) typed(2, () => out.u16(entry.u16));
  else if ('u32' in entry) typed(4, () => out.u32(entry.u32));
  else if ('i32' in entry) typed(5, () => out.i32(entry.i32));
  else if ('u64' in entry) typed(10, () => out.u64(entry.u64));
  else if ('f32' in entry) typed(6, () => out.f32(entry.f32));
  else if ('bool' in entry) typed(7, () => out.u8(entry.bool ? 1 : 0));
  else if ('string' in entry) typed(8, () => out.string(entry.string));
  else if ('strings' in entry) writeArray(out, 8, entry.strings, (value) => out.string(value));
  else if ('f32s' in entry) writeArray(out, 6, entry.f32s, (value) => out.f32(value));
  else writeArray(out, 5, entry.i32s, (value) => out.i32(value));
}

function writeArray<T>(out: Bytes, type: number, values: readonly T[], write: (value: T) => void): void {
  out.u32(9);
  out.u32(type);
  out.u64(values.length);
  for (const value of values) write(value);
}

/** The bytes of a file with these entries and tensors, in the order given. */
export function writeGguf(
  metadata: Readonly<Record<string, Entry>>,
  tensors: readonly TensorToWrite[],
  { version = 3, alignment = 32 } = {},
): Uint8Array {
  const out = new Bytes();
  out.raw(encoder.encode('GGUF'));
  out.u32(version);
  out.u64(tensors.length);
  out.u64(Object.keys(metadata).length);
  for (const [key, entry] of Object.entries(metadata)) {
    out.string(key);
    writeEntry(out, entry);
  }
  let offset = 0;
  for (const { name, type, dims, bytes } of tensors) {
    out.string(name);
    out.u32(dims.length);
    for (const dim of dims) out.u64(dim);
    out.u32(TYPE_IDS[type]);
    out.u64(offset);
    offset += Math.ceil(bytes.length / alignment) * alignment;
  }
  out.pad(alignment);
  for (const { bytes } of tensors) {
    out.raw(bytes);
    out.pad(alignment);
  }
  return out.join();
}
