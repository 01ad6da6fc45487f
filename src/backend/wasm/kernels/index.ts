/** What the module exports to its host: layout, packing, the step, and the life of a thread. */
import { forward } from './forward';
import { nextStep, takesPart } from './sync';

export {
  recordBytes, setArithmetic, setAttention, setBuffers, setRecords, setSegment, setShape, setStep, setThreads, setVector,
} from './plan';
export { formOf, openBytes, packGroup } from './packs';
export { sketchGroup } from './sketch';
export { beginStep, forward, phaseCount, winner, winnerGroups } from './forward';
export { actBytes, scratchBytes, setForms } from './workspace';
export { probeWideDot, useWideDot } from './scores';
export { initConstants } from './simd';
export { lastStep, stopThreads } from './sync';

// For tests, which try each kind by itself.
export { fewRows, multiplyFew, multiplyRow, multiplyRows, openGroup, unpackRow } from './packs';
export { quantize8, spread } from './quantize';
export { sumHalves } from './half-blocks';

/** Body of thread 1 and up: runs every step after that of word `seen` until the host stops the threads. Blocks. */
export function runThread(thread: i32, seen: i32): void {
  while (true) {
    seen = nextStep(seen);
    if (seen < 0) return;
    if (takesPart(seen, thread)) forward(thread);
  }
}

/** Index of the largest of `count` f32 logits; ties go to the lowest. Padded to a multiple of 16 by the layout. */
export function argmax(logits: usize, count: i32): i32 {
  let best = f32x4.splat(-f32.MAX_VALUE);
  let at = i32x4.splat(0);
  let index = i32x4(0, 1, 2, 3);
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const v = v128.load(logits + (<usize>i << 2));
    const better = f32x4.gt(v, best);
    best = v128.bitselect(v, best, better);
    at = v128.bitselect(index, at, better);
    index = i32x4.add(index, i32x4.splat(4));
  }
  let top = f32x4.extract_lane(best, 0), id = i32x4.extract_lane(at, 0);
  for (let lane = 1; lane < 4; lane++) {
    const v = lane == 1 ? f32x4.extract_lane(best, 1) : lane == 2 ? f32x4.extract_lane(best, 2) : f32x4.extract_lane(best, 3);
    const i = lane == 1 ? i32x4.extract_lane(at, 1) : lane == 2 ? i32x4.extract_lane(at, 2) : i32x4.extract_lane(at, 3);
    if (v > top || (v == top && i < id)) { top = v; id = i; }
  }
  for (let i = whole; i < count; i++) {
    const v = load<f32>(logits + (<usize>i << 2));
    if (v > top) { top = v; id = i; }
  }
  return id;
}
