/**
 * Scores: int8 queries against int8 keys.
 *
 * Keys are stored with their top bit flipped, that is as k + 128 unsigned. Three ways to the same exact sums:
 * relaxed   the unsigned operand is |q| <= 127 and the key takes the sign: with m = -1 where q < 0, (k xor m) x |q| is
 *           k x q less |q|, a constant that the sums start with. Exact on every processor;
 * wide      where the processor's dot takes a whole unsigned byte, k + 128 meets q itself and the sums start with -128 x q. Used
 *           only behind a probe: most processors saturate or read the byte as signed;
 * plain     16-bit products.
 *
 * The draft view of a cache (`coarse`) reads the upper four bits of the same keys; its rows go one by one.
 */
import { RELAXED, dotSigned, maxLanes, rounded, sumLanesInt, upperNibble } from './simd';

const WIDE_AT: usize = 456;

/** Whether four products of -128 x 255 in a lane come out exactly. */
export function probeWideDot(): bool {
  if (!RELAXED) return false;
  const sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(-128), i8x16.splat(-1), i32x4.splat(0));
  return i32x4.extract_lane(sum, 0) == -130560;
}

export function useWideDot(on: bool): void {
  store<i32>(WIDE_AT, on ? 1 : 0);
}

// @ts-ignore: decorator
@inline export function wideDot(): bool {
  return RELAXED && load<i32>(WIDE_AT) != 0;
}

/** Splatted quads of a query: relaxed |q| and sign masks; wide q; plain its even and odd dims as i16. */
const QUERY_QUAD: usize = 32;

/** Behind a query's quads: its scale (f32) and what its sums start with (i32). */
export const QUERY_TAIL: usize = 16;

// @ts-ignore: decorator
@inline export function queryBytes(size: usize): usize {
  return (size >> 2) * QUERY_QUAD + QUERY_TAIL;
}

/** Quantises a rotated query (f32 [size]), its scores to be scaled by `factor`. */
export function quantizeQuery(x: usize, size: i32, factor: f32, out: usize): void {
  let m = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>size << 2; i += 16) m = f32x4.pmax(m, f32x4.abs(v128.load(x + i)));
  const largest = maxLanes(m);
  const inverse = f32x4.splat(largest > 0 ? <f32>127 / largest : 0);
  const wide = wideDot();
  let start = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>size << 2; i += 16) {
    const q = rounded(v128.load(x + i), inverse);
    if (RELAXED) {
      const n = i16x8.narrow_i32x4_s(wide ? q : i32x4.abs(q), i32x4.shr_s(q, 31));
      const bytes = i8x16.narrow_i16x8_s(n, n);
      v128.store(out, v128.shuffle<i32>(bytes, bytes, 0, 0, 0, 0));
      v128.store(out, v128.xor(v128.shuffle<i32>(bytes, bytes, 1, 1, 1, 1), i8x16.splat(-128)), 16);
      start = i32x4.sub(start, wide ? i32x4.shl(q, 7) : i32x4.min_s(q, i32x4.splat(0)));
    } else {
      const s = i16x8.narrow_i32x4_s(q, q);
      const pairs = v128.shuffle<i16>(s, s, 0, 2, 1, 3, 0, 2, 1, 3);
      v128.store(out, v128.shuffle<i32>(pairs, pairs, 0, 0, 0, 0));
      v128.store(out, v128.shuffle<i32>(pairs, pairs, 1, 1, 1, 1), 16);
    }
    out += QUERY_QUAD;
  }
  store<f32>(out, largest / <f32>127 * factor);
  store<i32>(out, sumLanesInt(start), 4);
}

/** acc + keys x quad of a query at `query`. */
// @ts-ignore: decorator
@inline function dotKey(wide: bool, acc: v128, key: v128, first: v128, second: v128): v128 {
  if (!RELAXED) return dotSigned(acc, key, first, second);
  if (wide) return i32x4.relaxed_dot_i8x16_i7x16_add_s(first, key, acc);
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.xor(key, second), first, acc);
}

/** Four keys of four positions, ready for the dot. */
// @ts-ignore: decorator
@inline function loadKey(at: usize): v128 {
  return RELAXED ? v128.load(at) : v128.xor(v128.load(at), i8x16.splat(-128));
}

// @ts-ignore: decorator
@inline function loadOne(coarse: bool, at: usize): v128 {
  return coarse ? upperNibble(loadKey(at)) : loadKey(at);
}

// @ts-ignore: decorator
@inline function secondOf(wide: bool, at: usize, first: v128): v128 {
  return wide ? first : v128.load(at, 16);
}

// @ts-ignore: decorator
@inline function storeScores(at: usize, i: v128, scale: v128, keyScales: usize): void {
  v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(i), scale), v128.load(keyScales)));
}

/** Scores of one query against 16 positions: `keys` is the first of four position quads, `quadBytes` apart. */
// @ts-ignore: decorator
@inline function scoreOneOf(
  wide: bool, coarse: bool, keys: usize, quadBytes: usize, query: usize, keyScales: usize, out: usize,
): void {
  const tail = query + (quadBytes << 1);
  let a = v128.load32_splat(tail, 4), b = a, c = a, d = a;
  const keys2 = quadBytes << 1, keys3 = keys2 + quadBytes;
  let q: v128, s: v128;
  for (const end = keys + quadBytes; keys < end; keys += 64) {
    q = v128.load(query, 0); s = secondOf(wide, query + 0, q);
    a = dotKey(wide, a, loadOne(coarse, keys), q, s);
    b = dotKey(wide, b, loadOne(coarse, keys + quadBytes), q, s);
    c = dotKey(wide, c, loadOne(coarse, keys + keys2), q, s);
    d = dotKey(wide, d, loadOne(coarse, keys + keys3), q, s);
    q = v128.load(query, 32); s = secondOf(wide, query + 32, q);
    a = dotKey(wide, a, loadOne(coarse, keys + 16), q, s);
    b = dotKey(wide, b, loadOne(coarse, keys + quadBytes + 16), q, s);
    c = dotKey(wide, c, loadOne(coarse, keys + keys2 + 16), q, s);
    d = dotKey(wide, d, loadOne(coarse, keys + keys3 + 16), q, s);
    q = v128.load(query, 64); s = secondOf(wide, query + 64, q);
    a = dotKey(wide, a, loadOne(coarse, keys + 32), q, s);
    b = dotKey(wide, b, loadOne(coarse, keys + quadBytes + 32), q, s);
    c = dotKey(wide, c, loadOne(coarse, keys + keys2 + 32), q, s);
    d = dotKey(wide, d, loadOne(coarse, keys + keys3 + 32), q, s);
    q = v128.load(query, 96); s = secondOf(wide, query + 96, q);
    a = dotKey(wide, a, loadOne(coarse, keys + 48), q, s);
    b = dotKey(wide, b, loadOne(coarse, keys + quadBytes + 48), q, s);
    c = dotKey(wide, c, loadOne(coarse, keys + keys2 + 48), q, s);
    d = dotKey(wide, d, loadOne(coarse, keys + keys3 + 48), q, s);
    query += 4 * QUERY_QUAD;
  }
  const scale = v128.load32_splat(tail);
  storeScores(out, a, scale, keyScales);
  storeScores(out + 16, b, scale, keyScales + 16);
  storeScores(out + 32, c, scale, keyScales + 32);
  storeScores(out + 48, d, scale, keyScales + 48);
}

/** Four queries, `stride` bytes apart, against 8 positions; scores of query r go to out + 1024 r. */
// @ts-ignore: decorator
@inline function scoreFourOf(wide: bool, keys: usize, quadBytes: usize, query: usize, stride: usize, keyScales: usize, out: usize): void {
  const tail = query + (quadBytes << 1);
  const stride2 = stride << 1, stride3 = stride2 + stride;
  let a0 = v128.load32_splat(tail, 4), a1 = a0;
  let b0 = v128.load32_splat(tail + stride, 4), b1 = b0;
  let c0 = v128.load32_splat(tail + stride2, 4), c1 = c0;
  let d0 = v128.load32_splat(tail + stride3, 4), d1 = d0;
  let k0: v128, k1: v128, q: v128, s: v128;
  for (const end = keys + quadBytes; keys < end; keys += 64) {
    k0 = loadKey(keys); k1 = loadKey(keys + quadBytes);
    q = v128.load(query); s = secondOf(wide, query, q);
    a0 = dotKey(wide, a0, k0, q, s); a1 = dotKey(wide, a1, k1, q, s);
    q = v128.load(query + stride); s = secondOf(wide, query + stride, q);
    b0 = dotKey(wide, b0, k0, q, s); b1 = dotKey(wide, b1, k1, q, s);
    q = v128.load(query + stride2); s = secondOf(wide, query + stride2, q);
    c0 = dotKey(wide, c0, k0, q, s); c1 = dotKey(wide, c1, k1, q, s);
    q = v128.load(query + stride3); s = secondOf(wide, query + stride3, q);
    d0 = dotKey(wide, d0, k0, q, s); d1 = dotKey(wide, d1, k1, q, s);
    k0 = loadKey(keys + 16); k1 = loadKey(keys + quadBytes + 16);
    q = v128.load(query + 32); s = secondOf(wide, query + 32, q);
    a0 = dotKey(wide, a0, k0, q, s); a1 = dotKey(wide, a1, k1, q, s);
    q = v128.load(query + stride + 32); s = secondOf(wide, query + stride + 32, q);
    b0 = dotKey(wide, b0, k0, q, s); b1 = dotKey(wide, b1, k1, q, s);
    q = v128.load(query + stride2 + 32); s = secondOf(wide, query + stride2 + 32, q);
    c0 = dotKey(wide, c0, k0, q, s); c1 = dotKey(wide, c1, k1, q, s);
    q = v128.load(query + stride3 + 32); s = secondOf(wide, query + stride3 + 32, q);
    d0 = dotKey(wide, d0, k0, q, s); d1 = dotKey(wide, d1, k1, q, s);
    k0 = loadKey(keys + 32); k1 = loadKey(keys + quadBytes + 32);
    q = v128.load(query + 64); s = secondOf(wide, query + 64, q);
    a0 = dotKey(wide, a0, k0, q, s); a1 = dotKey(wide, a1, k1, q, s);
    q = v128.load(query + stride + 64); s = secondOf(wide, query + stride + 64, q);
    b0 = dotKey(wide, b0, k0, q, s); b1 = dotKey(wide, b1, k1, q, s);
    q = v128.load(query + stride2 + 64); s = secondOf(wide, query + stride2 + 64, q);
    c0 = dotKey(wide, c0, k0, q, s); c1 = dotKey(wide, c1, k1, q, s);
    q = v128.load(query + stride3 + 64); s = secondOf(wide, query + stride3 + 64, q);
    d0 = dotKey(wide, d0, k0, q, s); d1 = dotKey(wide, d1, k1, q, s);
    k0 = loadKey(keys + 48); k1 = loadKey(keys + quadBytes + 48);
    q = v128.load(query + 96); s = secondOf(wide, query + 96, q);
    a0 = dotKey(wide, a0, k0, q, s); a1 = dotKey(wide, a1, k1, q, s);
    q = v128.load(query + stride + 96); s = secondOf(wide, query + stride + 96, q);
    b0 = dotKey(wide, b0, k0, q, s); b1 = dotKey(wide, b1, k1, q, s);
    q = v128.load(query + stride2 + 96); s = secondOf(wide, query + stride2 + 96, q);
    c0 = dotKey(wide, c0, k0, q, s); c1 = dotKey(wide, c1, k1, q, s);
    q = v128.load(query + stride3 + 96); s = secondOf(wide, query + stride3 + 96, q);
    d0 = dotKey(wide, d0, k0, q, s); d1 = dotKey(wide, d1, k1, q, s);
    query += 4 * QUERY_QUAD;
  }
  let scale = v128.load32_splat(tail);
  storeScores(out, a0, scale, keyScales); storeScores(out + 16, a1, scale, keyScales + 16);
  scale = v128.load32_splat(tail + stride);
  storeScores(out + 1024, b0, scale, keyScales); storeScores(out + 1040, b1, scale, keyScales + 16);
  scale = v128.load32_splat(tail + stride2);
  storeScores(out + 2048, c0, scale, keyScales); storeScores(out + 2064, c1, scale, keyScales + 16);
  scale = v128.load32_splat(tail + stride3);
  storeScores(out + 3072, d0, scale, keyScales); storeScores(out + 3088, d1, scale, keyScales + 16);
}

export function scoreOne(keys: usize, quadBytes: usize, query: usize, keyScales: usize, out: usize): void {
  scoreOneOf(false, false, keys, quadBytes, query, keyScales, out);
}

export function scoreOneWide(keys: usize, quadBytes: usize, query: usize, keyScales: usize, out: usize): void {
  if (RELAXED) scoreOneOf(true, false, keys, quadBytes, query, keyScales, out);
}

/** Of the draft view. */
export function scoreCoarse(wide: bool, keys: usize, quadBytes: usize, query: usize, keyScales: usize, out: usize): void {
  if (RELAXED && wide) scoreOneOf(true, true, keys, quadBytes, query, keyScales, out);
  else scoreOneOf(false, true, keys, quadBytes, query, keyScales, out);
}

export function scoreFour(keys: usize, quadBytes: usize, query: usize, stride: usize, keyScales: usize, out: usize): void {
  scoreFourOf(false, keys, quadBytes, query, stride, keyScales, out);
}

export function scoreFourWide(keys: usize, quadBytes: usize, query: usize, stride: usize, keyScales: usize, out: usize): void {
  if (RELAXED) scoreFourOf(true, keys, quadBytes, query, stride, keyScales, out);
}
