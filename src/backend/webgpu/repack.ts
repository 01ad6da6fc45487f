/**
 * From blocks of a file to the planes of matrix-kinds.ts, a few rows at a time: bits are moved, none is changed. The formats
 * are ggml's (`block_q*` in ggml-common.h).
 */
import { BLOCK, scaleWords } from './matrix-kinds.ts';
import type { MatrixKind } from './matrix-kinds.ts';

/** Planes of a few rows; `scales` has halves in its words where the form is 'half'. */
export interface Repacked {
  codes: Uint32Array<ArrayBuffer>;
  high: Uint32Array<ArrayBuffer>;
  scales: Uint32Array<ArrayBuffer>;
  /** The same words as floats. */
  factors: Float32Array<ArrayBuffer>;
}

/** Room for `blocks` blocks of 32, re-used from piece to piece. */
export function roomFor(kind: MatrixKind, blocks: number): Repacked {
  const scales = new Uint32Array(scaleWords(kind.scales, blocks));
  return {
    codes: new Uint32Array(blocks * kind.codeWords),
    high: new Uint32Array(blocks * kind.highWords),
    scales,
    factors: new Float32Array(scales.buffer),
  };
}

/** `file` holds whole blocks; fills the start of `out`. False if a scale is not a number that a quantiser writes. */
export function repack(kind: MatrixKind, file: Uint8Array, out: Repacked): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const count = file.byteLength / kind.fileBytes;
  let finite = true;
  for (let block = 0, at = 0; block < count; block++, at += kind.fileBytes) {
    finite = repackBlock(kind, view, at, block, out) && finite;
  }
  return finite;
}

function repackBlock(kind: MatrixKind, view: DataView, at: number, block: number, out: Repacked): boolean {
  switch (kind.type) {
    case 'F32':
    case 'F16':
    case 'BF16':
      copyWords(view, at, kind.codeWords, out.codes, block * kind.codeWords);
      return true;
    case 'Q4_0':
      copyWords(view, at + 2, 4, out.codes, block * 4);
      return half(view, at, out, block);
    case 'Q4_1':
      copyWords(view, at + 4, 4, out.codes, block * 4);
      return halves(view, at, out, block);
    case 'Q5_0':
      copyWords(view, at + 6, 4, out.codes, block * 4);
      out.high[block] = view.getUint32(at + 2, true);
      return half(view, at, out, block);
    case 'Q5_1':
      copyWords(view, at + 8, 4, out.codes, block * 4);
      out.high[block] = view.getUint32(at + 4, true);
      return halves(view, at, out, block);
    case 'Q8_0':
      copyWords(view, at + 2, 8, out.codes, block * 8);
      return half(view, at, out, block);
    case 'Q4_K':
      splitNibbles(view, at + 16, out.codes, block * 32);
      return packSuper32(view, at, out.scales, block * 4);
    case 'Q5_K':
      splitNibbles(view, at + 48, out.codes, block * 32);
      turnBits(view, at + 16, out.high, block * 8);
      return packSuper32(view, at, out.scales, block * 4);
    case 'Q6_K':
      repackQ6(view, at, out, block);
      copyWords(view, at + 192, 4, out.scales, block * 5);
      return factor(view, at + 208, out, block);
    case 'Q3_K':
      repackTwoBits(view, at + 32, out.codes, block * 32, at);
      packScalesOfQ3(view, at + 96, out.scales, block * 5);
      return factor(view, at + 108, out, block);
    case 'Q2_K':
      repackTwoBits(view, at + 16, out.codes, block * 32);
      copyWords(view, at, 4, out.scales, block * 5);
      out.scales[block * 5 + 4] = view.getUint32(at + 80, true);
      return isFinite16(view.getUint16(at + 80, true)) && isFinite16(view.getUint16(at + 82, true));
    default:
      return kind.type satisfies never;
  }
}

function copyWords(view: DataView, at: number, count: number, out: Uint32Array, to: number): void {
  for (let i = 0; i < count; i++) out[to + i] = view.getUint32(at + 4 * i, true);
}

/** Exponents of all ones are infinity and NaN. */
function isFinite16(half: number): boolean {
  return (half & 0x7c00) !== 0x7c00;
}

function half(view: DataView, at: number, { scales }: Repacked, block: number): boolean {
  const value = view.getUint16(at, true);
  const shift = 16 * (block & 1);
  scales[block >> 1] = (shift ? scales[block >> 1]! : 0) | (value << shift);
  return isFinite16(value);
}

function halves(view: DataView, at: number, { scales }: Repacked, block: number): boolean {
  scales[block] = view.getUint32(at, true);
  return isFinite16(view.getUint16(at, true)) && isFinite16(view.getUint16(at + 2, true));
}

/** The half at `at` as a float, behind the 16 bytes of a super-block's scales. */
function factor(view: DataView, at: number, { factors }: Repacked, block: number): boolean {
  const half = view.getUint16(at, true);
  factors[block * 5 + 4] = valueOf(half);
  return isFinite16(half);
}

const LOW = 0x0f0f0f0f;

/** 32 bytes for each 64 values, the first 32 in the low nibbles: into blocks whose low nibbles are their first 16 values. */
function splitNibbles(view: DataView, at: number, out: Uint32Array, to: number): void {
  for (let pair = 0; pair < 4; pair++) {
    for (let i = 0; i < 4; i++) {
      const first = view.getUint32(at + 32 * pair + 4 * i, true);
      const second = view.getUint32(at + 32 * pair + 16 + 4 * i, true);
      out[to + 8 * pair + i] = (first & LOW) | ((second & LOW) << 4);
      out[to + 8 * pair + 4 + i] = ((first >>> 4) & LOW) | (second & ~LOW);
    }
  }
}

/** Bit k of byte i belongs to value 32k + i: into a word of bits for each 32 values. */
function turnBits(view: DataView, at: number, out: Uint32Array, to: number): void {
  for (let k = 0; k < 8; k++) {
    let word = 0;
    for (let i = 0; i < BLOCK; i++) word |= ((view.getUint8(at + i) >> k) & 1) << i;
    out[to + k] = word;
  }
}

/**
 * The 16 bytes that begin a block of Q4_K or Q5_K, with its six-bit numbers where shaders find them without a branch: the
 * low four bits of the eight scales in one word, those of the eight floors in another, upper bits of both in the last.
 */
function packSuper32(view: DataView, at: number, out: Uint32Array, to: number): boolean {
  let [scales, floors, upper] = [0, 0, 0];
  const byte = (i: number): number => view.getUint8(at + 4 + i);
  for (let j = 0; j < 8; j++) {
    const scale = j < 4 ? byte(j) & 63 : (byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4);
    const floor = j < 4 ? byte(j + 4) & 63 : (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4);
    scales |= (scale & 15) << (4 * j);
    floors |= (floor & 15) << (4 * j);
    upper |= ((scale >> 4) | ((floor >> 4) << 2)) << (4 * j);
  }
  out[to] = view.getUint32(at, true);
  out[to + 1] = scales;
  out[to + 2] = floors;
  out[to + 3] = upper;
  return isFinite16(view.getUint16(at, true)) && isFinite16(view.getUint16(at + 2, true));
}

/** Of each half of 128 values: 64 bytes of nibbles, 32 bytes of pairs of bits. */
function repackQ6(view: DataView, at: number, { codes, high }: Repacked, block: number): void {
  for (let sub = 0; sub < 8; sub++) {
    const nibbles = at + 64 * (sub >> 2) + 32 * (sub & 1);
    const shift = 4 * ((sub >> 1) & 1);
    const pairs = at + 128 + 32 * (sub >> 2);
    for (let i = 0; i < 4; i++) {
      const first = (view.getUint32(nibbles + 4 * i, true) >>> shift) & LOW;
      const second = (view.getUint32(nibbles + 16 + 4 * i, true) >>> shift) & LOW;
      codes[block * 32 + sub * 4 + i] = first | (second << 4);
    }
    for (let word = 0; word < 2; word++) {
      let bits = 0;
      for (let i = 0; i < 16; i++) {
        bits |= ((view.getUint8(pairs + 16 * word + i) >> (2 * (sub & 3))) & 3) << (2 * i);
      }
      high[block * 16 + sub * 2 + word] = bits;
    }
  }
}

const TWO = 0x03030303;
const ONE = 0x01010101;

/** Pairs of bits as they lie in Q2_K and Q3_K, widened to nibbles; `upper`: where 32 bytes with a third bit each lie. */
function repackTwoBits(view: DataView, at: number, out: Uint32Array, to: number, upper?: number): void {
  for (let sub = 0; sub < 8; sub++) {
    const codes = (byte: number): number => {
      const low = (view.getUint32(at + 32 * (sub >> 2) + byte, true) >>> (2 * (sub & 3))) & TWO;
      if (upper === undefined) return low;
      return low | (((view.getUint32(upper + byte, true) >>> sub) & ONE) << 2);
    };
    for (let i = 0; i < 4; i++) out[to + 4 * sub + i] = codes(4 * i) | (codes(16 + 4 * i) << 4);
  }
}

/** Sixteen numbers of six bits in 12 bytes, 32 above what they stand for: as signed bytes. */
function packScalesOfQ3(view: DataView, at: number, out: Uint32Array, to: number): void {
  for (let word = 0; word < 4; word++) {
    let bytes = 0;
    for (let i = 0; i < 4; i++) {
      const j = 4 * word + i;
      const low = (view.getUint8(at + (j & 7)) >> (j < 8 ? 0 : 4)) & 15;
      const upper = (view.getUint8(at + 8 + (j & 3)) >> (2 * (j >> 2))) & 3;
      bytes |= (((low | (upper << 4)) - 32) & 255) << (8 * i);
    }
    out[to + word] = bytes;
  }
}

/** Exact: halves below 2^-14 are ordinary floats. */
function valueOf(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return half & 0x8000 ? -magnitude : magnitude;
}
