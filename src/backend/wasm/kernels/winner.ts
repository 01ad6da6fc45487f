/**
 * The best token of one row in two passes, with the same bits as if all logits were computed and compared. First the sketch of the head
 * (sketch.ts) is read, whose products say of every token the most that its logit can be. Then the groups of 16 tokens which that
 * does not rule out are read from the head itself and multiplied as ever.
 *
 * For each token the first pass leaves that upper bound where the logits would be. Threads tell each other what they found in the
 * lines of the claim counters.
 */
import { EIGHT, FOURTEEN, multiplyRow } from './packs';
import { HEAD, OUTSIDE, SKETCH, Segment, layer, plan, segment, step } from './plan';
import { STORE, groupProduct, prepare } from './product';
import { NUMBERS, leftListAt, passBytes } from './quantize';
import { BOUNDS, sketchGroup, sketchShift } from './sketch';
import { HALF_BIAS, QUAD, halfBias, madd, maxLanes, rounded, sumLanes } from './simd';
import { barrier, claim, lineOf } from './sync';
import { rowBuffer, tileOut } from './workspace';

/** Groups per claim: of the sketch, and of what it has left to look at. */
const SKETCH_TILE: i32 = 16;
const EXACT_TILE: i32 = 64;

/** What a thread says of a phase, behind the counter in its line: f32 the largest, i32 where, i32 groups multiplied. */
const FOUND: usize = 16;

/** Draws the whole sketch. A phase. */
export function drawSketch(thread: i32, phase: i32): void {
  const p = plan(), head = segment(OUTSIDE, HEAD), sketch = segment(OUTSIDE, SKETCH);
  const tiles = (sketch.groups + SKETCH_TILE - 1) / SKETCH_TILE;
  let taken = 0;
  for (let t = claim(phase, tiles, thread, p.threads, taken); t >= 0; t = claim(phase, tiles, thread, p.threads, ++taken)) {
    for (let g = t * SKETCH_TILE; g < min(sketch.groups, (t + 1) * SKETCH_TILE); g++) {
      const from = head.at + <usize>(g * head.stride), to = sketch.at + <usize>(g * sketch.stride);
      sketchGroup(sketch.kind, from, p.hidden, sketch.offsets, to, sketch.bias + <usize>g * BOUNDS);
    }
  }
  barrier(p.threads, 0, 0);
}

/** The row that `wantedRows` names. Three phases, of which the first is a preparation. */
export function runWinner(thread: i32, phase: i32): void {
  const p = plan(), sketch = segment(OUTSIDE, SKETCH);
  const act = prepare(p.x, step().wantedRows, layer(OUTSIDE).attentionNorm, p.hidden, EIGHT | FOURTEEN, 1, thread, phase);
  // What rounding left over is worth less to the bounds than the time that it takes.
  store<i32>(act + passBytes(p.hidden, 1) + leftListAt(p.hidden), 0);
  boundAll(sketch, act, thread, phase + 1);
  barrier(p.threads, 0, 0);
  pickExactly(act, thread, phase + 1);
  barrier(p.threads, 0, 0);
}

/** First pass: upper bounds of all logits, and the group of the largest product. */
function boundAll(sketch: Segment, act: usize, thread: i32, phase: i32): void {
  const p = plan(), length = p.hidden, x = rowBuffer(thread), from = tileOut(thread);
  const scale = abs(p.logitScale), slack = slackOf(x, length);
  const reach = f32x4.splat(scale * (reachOf(x, length, sketch.offsets + (<usize>length << 1)) + slack));
  const rounding = f32x4.splat(scale * (roundingOf(x, length, act) + slack));
  const factor = f32x4.mul(halfBias(), f32x4.splat(p.logitScale * <f32>(1 << sketchShift(sketch.kind))));
  const tiles = (sketch.groups + SKETCH_TILE - 1) / SKETCH_TILE;
  let most: f32 = -f32.MAX_VALUE, at = 0, taken = 0;
  for (let t = claim(phase, tiles, thread, p.threads, taken); t >= 0; t = claim(phase, tiles, thread, p.threads, ++taken)) {
    for (let g = t * SKETCH_TILE; g < min(sketch.groups, (t + 1) * SKETCH_TILE); g++) {
      const group = sketch.at + <usize>(g * sketch.stride);
      multiplyRow(sketch.kind, group, length, act, 0, from);
      const largest = bound16(from, factor, sketch.bias + <usize>g * BOUNDS, reach, rounding, step().logits + (<usize>g << 6));
      if (largest > most) {
        most = largest;
        at = g;
      }
    }
  }
  say(phase, thread, most, at, 0);
}

/** Upper bounds of 16 logits, f32 [16] at `out`. Returns the largest of the products themselves. */
function bound16(from: usize, factor: v128, bounds: usize, reach: v128, rounding: v128, out: usize): f32 {
  const a = f32x4.mul(v128.load(from), factor), b = f32x4.mul(v128.load(from, 16), factor);
  const c = f32x4.mul(v128.load(from, 32), factor), d = f32x4.mul(v128.load(from, 48), factor);
  v128.store(out, madd(v128.load(bounds), reach, madd(v128.load(bounds, 64), rounding, a)));
  v128.store(out, madd(v128.load(bounds, 16), reach, madd(v128.load(bounds, 80), rounding, b)), 16);
  v128.store(out, madd(v128.load(bounds, 32), reach, madd(v128.load(bounds, 96), rounding, c)), 32);
  v128.store(out, madd(v128.load(bounds, 48), reach, madd(v128.load(bounds, 112), rounding, d)), 48);
  return maxLanes(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** sqrt(sum(x^2 / v)). `inverses`: f32 [length], 1 / v. */
function reachOf(x: usize, length: i32, inverses: usize): f32 {
  let sum = f32x4.splat(0);
  for (const end = x + (<usize>length << 2); x < end; x += 16, inverses += 16) {
    const v = v128.load(x);
    sum = madd(f32x4.mul(v, v), v128.load(inverses), sum);
  }
  return Mathf.sqrt(sumLanes(sum)) * 1.001;
}

/** |x - x'|, where x' is the 8-bit form at `act` (lanes = 1) without what rounding left over. */
function roundingOf(x: usize, length: i32, act: usize): f32 {
  const blocks = length >> 5, scales = act + (<usize>length >> 2) * QUAD;
  let total: f32 = 0;
  for (let b = 0; b < blocks; b++, x += 128) {
    const scale = load<f32>(scales + <usize>b * NUMBERS) * (<f32>1 / HALF_BIAS);
    const inverse = f32x4.splat(scale > 0 ? <f32>1 / scale : 0), minus = f32x4.splat(-scale);
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) {
      const v = v128.load(x + i), left = madd(f32x4.convert_i32x4_s(rounded(v, inverse)), minus, v);
      sum = madd(left, left, sum);
    }
    total += sumLanes(sum);
  }
  return Mathf.sqrt(total) * 1.001;
}

/**
 * What else may part the two, for each unit of R + N, which are together at least the length of a row's weights: rounding to 14 bits,
 * and the roundings of f32 in both chains of length / 32 blocks, whose terms and partial sums are at most six times the largest |x|
 * times sqrt(length). The last roundings of both are among them.
 */
function slackOf(x: usize, length: i32): f32 {
  let largest = f32x4.splat(0);
  for (const end = x + (<usize>length << 2); x < end; x += 16) largest = f32x4.pmax(largest, f32x4.abs(v128.load(x)));
  const fourteen: f32 = 1.0 / 16000, chains = <f32>((length >> 5) + 16) * <f32>(16.0 / 16777216);
  return maxLanes(largest) * Mathf.sqrt(<f32>length) * (fourteen + chains);
}

/** Second pass: of the groups that may hold the best token, the best token. */
function pickExactly(act: usize, thread: i32, phase: i32): void {
  const p = plan(), s = step(), head = segment(OUTSIDE, HEAD), count = s.winner, out = tileOut(thread) + 64;
  const groups = (count + 15) >> 4, tiles = (groups + EXACT_TILE - 1) / EXACT_TILE;
  const likely = mostSaid(phase);
  groupProduct(head, likely, p.hidden, 1, act, out, 0, STORE, p.logitScale, thread);
  let least: f32 = -f32.MAX_VALUE;
  for (let i = 0; i < min(16, count - (likely << 4)); i++) least = max(least, load<f32>(out + (<usize>i << 2)));
  let top: f32 = -f32.MAX_VALUE, best = 0, read = 0, taken = 0;
  phase++;
  for (let t = claim(phase, tiles, thread, p.threads, taken); t >= 0; t = claim(phase, tiles, thread, p.threads, ++taken)) {
    for (let g = t * EXACT_TILE; g < min(groups, (t + 1) * EXACT_TILE); g++) {
      if (areBelow(s.logits + (<usize>g << 6), least)) continue;
      read++;
      groupProduct(head, g, p.hidden, 1, act, out, 0, STORE, p.logitScale, thread);
      for (let i = 0, id = g << 4; i < min(16, count - (g << 4)); i++, id++) {
        const logit = load<f32>(out + (<usize>i << 2));
        if (logit > top || (logit == top && id < best)) {
          top = logit;
          best = id;
        }
      }
    }
  }
  say(phase, thread, top, best, read);
}

/** Whether all of 16 bounds are below: not where one is no number. */
// @ts-ignore: decorator
@inline function areBelow(at: usize, least: f32): bool {
  const v = f32x4.splat(least);
  return i32x4.all_true(v128.and(
    v128.and(f32x4.lt(v128.load(at), v), f32x4.lt(v128.load(at, 16), v)),
    v128.and(f32x4.lt(v128.load(at, 32), v), f32x4.lt(v128.load(at, 48), v)),
  ));
}

function say(phase: i32, thread: i32, value: f32, where: i32, groups: i32): void {
  const line = lineOf(phase, thread, plan().threads) + FOUND;
  store<f32>(line, value);
  store<i32>(line, where, 4);
  store<i32>(line, groups, 8);
}

/** Where the largest is of what the threads said of a phase; of equals the first. */
function mostSaid(phase: i32): i32 {
  const threads = plan().threads;
  let top: f32 = -f32.MAX_VALUE, best = 0;
  for (let t = 0; t < threads; t++) {
    const line = lineOf(phase, t, threads) + FOUND, value = load<f32>(line), where = load<i32>(line, 4);
    if (value > top || (value == top && where < best)) {
      top = value;
      best = where;
    }
  }
  return best;
}

/** Of the last step: its best token, and how many groups of the head were multiplied for it. `phase`: of `runWinner`. */
export function winnerOf(phase: i32): i32 {
  return mostSaid(phase + 2);
}

export function groupsRead(phase: i32): i32 {
  const threads = plan().threads;
  let groups = 0;
  for (let t = 0; t < threads; t++) groups += load<i32>(lineOf(phase + 2, t, threads) + FOUND, 8);
  return groups;
}
