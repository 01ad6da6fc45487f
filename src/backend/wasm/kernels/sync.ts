/**
 * Threads. Every thread runs the same phases; within a phase work is claimed by tiles, because cores are unequal and
 * busy, and a barrier ends it. A barrier spins first (70 ns when all run) and sleeps when a thread lost its core.
 *
 * The words below lie on cache lines of their own, in the page that `plan.ts` does not use.
 */
import { plan } from './plan';

const COUNT_AT: usize = 128;
const GENERATION_AT: usize = 192;
const SLEEPERS_AT: usize = 256;
/** Bumped for each step; threads wait for it between steps. */
const GO_AT: usize = 320;
const GO_SLEEPERS_AT: usize = 384;
const EXIT_AT: usize = 448;
const UNUSED_AT: usize = 452;

const MOST_SPINS: i32 = 400000;
const LEAST_SPINS: i32 = 500;
let spins: i32 = MOST_SPINS;

/**
 * Waits until all threads are here. A thread that waits reads ahead in what it will need next (`next`, at most `bytes`):
 * the lines come from memory while nothing else is to be done.
 */
export function barrier(threads: i32, next: usize, bytes: usize): void {
  if (threads == 1) return;
  const generation = atomic.load<i32>(GENERATION_AT);
  if (atomic.add<i32>(COUNT_AT, 1) == threads - 1) {
    atomic.store<i32>(COUNT_AT, 0);
    atomic.add<i32>(GENERATION_AT, 1);
    if (atomic.load<i32>(SLEEPERS_AT) > 0) atomic.notify(GENERATION_AT, -1);
    return;
  }
  let seen: i32 = 0;
  for (const end = next + bytes; next < end; next += 64) {
    if (atomic.load<i32>(GENERATION_AT) != generation) break;
    seen |= load<i32>(next);
  }
  // The store keeps the loads from being dropped as unused.
  if (seen == 0) store<i32>(UNUSED_AT, seen);
  waitWhile(GENERATION_AT, SLEEPERS_AT, generation);
}

/** Reads one word of each cache line; `bytes` is a multiple of 512. */
export function readThrough(at: usize, bytes: usize): void {
  let seen: i32 = 0;
  for (const end = at + bytes; at < end; at += 512) {
    seen |= load<i32>(at) | load<i32>(at, 64) | load<i32>(at, 128) | load<i32>(at, 192)
      | load<i32>(at, 256) | load<i32>(at, 320) | load<i32>(at, 384) | load<i32>(at, 448);
  }
  if (seen == 0) store<i32>(UNUSED_AT, seen);
}

/**
 * Spins, then sleeps. How long it is worth spinning is learned: a wait that ends within the limit doubles it, one that does
 * not (the other thread lost its core) divides it by eight, so that a busy machine gets its cores back at once. (A module's
 * global is its thread's own.)
 */
function waitWhile(word: usize, sleepers: usize, value: i32): void {
  const limit = spins;
  for (let i = 0; i < limit; i++) {
    if (atomic.load<i32>(word) != value) {
      spins = min(limit << 1, MOST_SPINS);
      return;
    }
  }
  spins = max(limit >> 3, LEAST_SPINS);
  atomic.add<i32>(sleepers, 1);
  while (atomic.load<i32>(word) == value) atomic.wait<i32>(word, value, -1);
  atomic.sub<i32>(sleepers, 1);
}

/**
 * Wakes the other threads for a step. Called by thread 0 before its own `forward`. The word says the step's number and, in
 * its low byte, how many threads take part, so that a thread that is late by a step cannot take part in it twice.
 */
export function startThreads(threads: i32): void {
  atomic.store<i32>(GO_AT, (((atomic.load<i32>(GO_AT) >> 8) + 1) << 8) | threads);
  if (atomic.load<i32>(GO_SLEEPERS_AT) > 0) atomic.notify(GO_AT, -1);
}

export function stopThreads(): void {
  atomic.store<i32>(EXIT_AT, 1);
  startThreads(0);
}

/** The word of the last step that was started: a thread that is told it waits for the next. */
export function lastStep(): i32 {
  return atomic.load<i32>(GO_AT);
}

/** Whether a thread takes part in a step. */
export function takesPart(word: i32, thread: i32): bool {
  return thread < (word & 255);
}

/** Waits for a step after `seen`. Returns its word, or -1 to end. */
export function nextStep(seen: i32): i32 {
  waitWhile(GO_AT, GO_SLEEPERS_AT, seen);
  return atomic.load<i32>(EXIT_AT) != 0 ? -1 : atomic.load<i32>(GO_AT);
}

/**
 * The next tile of phase `phase` for a thread: those of its own contiguous share first (a stream the prefetcher can follow),
 * then what others have not begun of theirs. `taken` is how many this thread had. Returns -1 when none is left.
 */
export function claim(phase: i32, tiles: i32, thread: i32, threads: i32, taken: i32): i32 {
  if (threads == 1) return taken < tiles ? taken : -1;
  let owner = thread;
  for (let i = 0; i < threads; i++) {
    const first = firstTile(tiles, owner, threads), end = firstTile(tiles, owner + 1, threads);
    const counter = lineOf(phase, owner, threads);
    if (first + atomic.load<i32>(counter) < end) {
      const tile = first + atomic.add<i32>(counter, 1);
      if (tile < end) return tile;
    }
    if (++owner == threads) owner = 0;
  }
  return -1;
}

/** The line of a phase and thread: its claim counter, and room for what it finds. */
// @ts-ignore: decorator
@inline export function lineOf(phase: i32, thread: i32, threads: i32): usize {
  return plan().counters + (<usize>(phase * threads + thread) << 6);
}

/** First tile of a thread's share. */
// @ts-ignore: decorator
@inline export function firstTile(tiles: i32, thread: i32, threads: i32): i32 {
  return (tiles * thread) / threads;
}
