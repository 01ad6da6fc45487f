/**
 * Decodes LZMA as the SDK's specification has it: literals and matches as bits of a range decoder, whose contexts follow the
 * kinds of packets. The kernels come in it, since browsers can only inflate and LZMA is a third smaller. What is decoded is
 * our own, so it is not checked.
 */
import { RangeDecoder } from './range-decoder.ts';

const HEADER_BYTES = 13;
const STATES = 12;
const POSITION_BITS = 4;
const LENGTH_STATES = 4;
const ALIGN_BITS = 4;
/** From this slot of distances on the bits in the middle are even. */
const EVEN_SLOT = 14;
const SHORTEST_MATCH = 2;

/** Contexts, one behind the other. */
let taken = 0;
const take = (count: number): number => (taken += count) - count;
const IS_MATCH = take(STATES << POSITION_BITS);
const IS_REPEAT = take(STATES);
const IS_OLDER = take(STATES);
const IS_SECOND = take(STATES);
const IS_THIRD = take(STATES);
const IS_LONG = take(STATES << POSITION_BITS);
const SLOTS = take(LENGTH_STATES << 6);
const LOW_BITS = take(115);
const ALIGN = take(1 << ALIGN_BITS);
/** Of a length: two choices, trees of 3 bits by position for each, and a tree of 8. */
const SHORT = 2;
const MIDDLE = SHORT + (8 << POSITION_BITS);
const LONG = MIDDLE + (8 << POSITION_BITS);
const MATCH_LENGTH = take(LONG + 256);
const REPEAT_LENGTH = take(LONG + 256);
const LITERALS = taken;
/** Of one byte: without a match, and with a 0 or a 1 in the byte that a match would have. */
const LITERAL_CONTEXTS = 0x300;

/** `stream`: an .lzma file. Returns its first `length` bytes. */
export function decodeLzma(stream: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const properties = stream[0]!;
  const previousBits = properties % 9;
  const literalMask = (1 << (Math.floor(properties / 9) % 5)) - 1;
  const positionMask = (1 << Math.floor(properties / 45)) - 1;
  const decoder = new RangeDecoder(stream, HEADER_BYTES, LITERALS + (LITERAL_CONTEXTS << (previousBits + 4)));
  const out = new Uint8Array(length);
  /** What the last packets were; from 7 on the last was a match. */
  let state = 0;
  /** The last four distances, less one, the latest first. */
  const distances = [0, 0, 0, 0];
  let at = 0;
  while (at < length) {
    const place = at & positionMask;
    if (decoder.bit(IS_MATCH + (state << POSITION_BITS) + place) === 0) {
      const before = at > 0 ? out[at - 1]! : 0;
      const which = ((at & literalMask) << previousBits) + (before >> (8 - previousBits));
      const context = LITERALS + LITERAL_CONTEXTS * which;
      out[at] =
        state < 7 ? decoder.tree(context, 8) : matchedLiteral(decoder, context, out[at - distances[0]! - 1]!);
      at += 1;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count: number;
    if (decoder.bit(IS_REPEAT + state) === 0) {
      count = lengthOf(decoder, MATCH_LENGTH, place);
      distances.pop();
      distances.unshift(distanceOf(decoder, Math.min(count - SHORTEST_MATCH, LENGTH_STATES - 1)));
      state = state < 7 ? 7 : 10;
    } else if (isOneByte(decoder, distances, state, place)) {
      count = 1;
      state = state < 7 ? 9 : 11;
    } else {
      count = lengthOf(decoder, REPEAT_LENGTH, place);
      state = state < 7 ? 8 : 11;
    }
    const distance = distances[0]! + 1;
    for (const end = Math.min(length, at + count); at < end; at++) out[at] = out[at - distance]!;
  }
  return out;
}

/** A byte behind a match differs from `match`, the byte that would have followed it: its bits help until one differs. */
function matchedLiteral(decoder: RangeDecoder, context: number, match: number): number {
  let node = 1;
  for (let bit = 7; node < 0x100; bit--) {
    const expected = (match >> bit) & 1;
    const one = decoder.bit(context + ((1 + expected) << 8) + node);
    node = (node << 1) | one;
    if (one === expected) continue;
    while (node < 0x100) node = (node << 1) | decoder.bit(context + node);
  }
  return node & 0xff;
}

/** A match at an earlier distance, which comes to the front. True if it is of one byte, and no length follows. */
function isOneByte(decoder: RangeDecoder, distances: number[], state: number, place: number): boolean {
  if (decoder.bit(IS_OLDER + state) === 0) {
    return decoder.bit(IS_LONG + (state << POSITION_BITS) + place) === 0;
  }
  const which = decoder.bit(IS_SECOND + state) === 0 ? 1 : decoder.bit(IS_THIRD + state) === 0 ? 2 : 3;
  distances.unshift(...distances.splice(which, 1));
  return false;
}

function lengthOf(decoder: RangeDecoder, context: number, place: number): number {
  if (decoder.bit(context) === 0) {
    return SHORTEST_MATCH + decoder.tree(context + SHORT + (place << 3), 3);
  }
  if (decoder.bit(context + 1) === 0) {
    return SHORTEST_MATCH + 8 + decoder.tree(context + MIDDLE + (place << 3), 3);
  }
  return SHORTEST_MATCH + 16 + decoder.tree(context + LONG, 8);
}

/** Less one. Its slot gives the two highest bits and how many follow. */
function distanceOf(decoder: RangeDecoder, lengthState: number): number {
  const slot = decoder.tree(SLOTS + (lengthState << 6), 6);
  if (slot < 4) return slot;
  const bits = (slot >> 1) - 1;
  const base = (2 | (slot & 1)) << bits;
  if (slot < EVEN_SLOT) return base + decoder.reverseTree(LOW_BITS + base - slot, bits);
  const middle = decoder.evenBits(bits - ALIGN_BITS) << ALIGN_BITS;
  return base + middle + decoder.reverseTree(ALIGN, ALIGN_BITS);
}
