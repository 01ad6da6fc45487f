/**
 * The compiled kernels: which twin this browser runs, and how it is instantiated over a memory. The module is written for
 * shared memory; where the page is not isolated the one byte that says so is changed, since every instruction but the
 * (then unused) waits works on a memory of its own too.
 */
import { SelvedgeError, assert } from '../../errors.ts';
import { LENGTH, PACKED } from './kernels/build/relaxed.ts';
import { SOURCES } from './kernels/build/sources.ts';
import { decodeLzma } from './lzma.ts';

/** What the kernels export; sizes in bytes, pointers are byte offsets. Comments stand where they are defined. */
export interface Kernels {
  recordBytes(): number;
  setShape(
    layers: number,
    hidden: number,
    heads: number,
    kvHeads: number,
    headSize: number,
    ffn: number,
    vocab: number,
    epsilon: number,
    kvInt8: number,
    threads: number,
    maxTiles: number,
  ): void;
  setArithmetic(
    gelu: number,
    embeddingScale: number,
    attentionScale: number,
    residualScale: number,
    logitScale: number,
  ): void;
  setThreads(threads: number): void;
  setBuffers(
    x: number,
    branch: number,
    qkv: number,
    attended: number,
    inner: number,
    shared: number,
    partials: number,
    scratch: number,
    scratchBytes: number,
    counters: number,
    counterCount: number,
    unitBytes: number,
    centres: number,
  ): void;
  setRecords(records: number): void;
  setSegment(
    layer: number,
    which: number,
    at: number,
    kind: number,
    stride: number,
    groups: number,
    offsets: number,
    bias: number,
  ): void;
  setVector(layer: number, which: number, at: number): void;
  setAttention(layer: number, window: number, ropeSize: number, ropeHalves: number, rotation: number): void;
  setStep(
    rows: number,
    position: number,
    ids: number,
    rotation: number,
    pages: number,
    wanted: number,
    wantedRows: number,
    logits: number,
    coarse: number,
    winner: number,
  ): void;
  formOf(kind: number): number;
  openBytes(kind: number, columns: number): number;
  packGroup(
    kind: number,
    source: number,
    rows: number,
    columns: number,
    target: number,
    offsets: number,
  ): number;
  setForms(forms: number, openBytes: number): void;
  actBytes(): number;
  scratchBytes(): number;
  sketchGroup(
    kind: number,
    group: number,
    columns: number,
    weights: number,
    target: number,
    bounds: number,
  ): void;
  phaseCount(): number;
  initConstants(): void;
  probeWideDot(): number;
  useWideDot(on: number): void;
  beginStep(): void;
  forward(thread: number): void;
  runThread(thread: number, seen: number): void;
  lastStep(): number;
  stopThreads(): void;
  argmax(logits: number, count: number): number;
  winner(): number;
  winnerGroups(): number;
}

export type Simd = 'relaxed' | 'plain';

/** (module (func (param v128 v128 v128) (result v128) local.get 0 1 2 i32x4.relaxed_dot_i8x16_i7x16_add_s)) */
const RELAXED_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32,
  1, 32, 2, 253, 147, 2, 11,
];
/** (module (func (result v128) i32.const 0 i8x16.splat)) */
const SIMD_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
];

/** The best twin this browser can run. Throws `unsupported_device` without WebAssembly SIMD. */
export function chooseSimd(wanted: 'auto' | 'plain'): Simd {
  if (wanted === 'auto' && WebAssembly.validate(new Uint8Array(RELAXED_PROBE))) return 'relaxed';
  if (WebAssembly.validate(new Uint8Array(SIMD_PROBE))) return 'plain';
  throw new SelvedgeError(
    'unsupported_device',
    'This browser has no WebAssembly SIMD, which the CPU kernels need. Update the browser.',
  );
}

/** Changes whenever the kernels do. */
export function kernelsVersion(simd: Simd): number {
  let hash = 0x811c9dc5;
  for (const text of [simd, SOURCES]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** Threads need shared memory, which browsers give to isolated pages only. */
export function canShareMemory(): boolean {
  return globalThis.crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined';
}

export async function compileKernels(simd: Simd, shared: boolean): Promise<WebAssembly.Module> {
  const twin = simd === 'relaxed' ? { LENGTH, PACKED } : await loadPlain();
  const packed = Uint8Array.from(atob(twin.PACKED), (c) => c.charCodeAt(0));
  const bytes = decodeLzma(packed, twin.LENGTH);
  if (!shared) unshare(bytes);
  return WebAssembly.compile(bytes);
}

/** A file beside the worker (scripts/build.mjs), since nearly all browsers have relaxed SIMD. */
async function loadPlain(): Promise<{ LENGTH: number; PACKED: string }> {
  try {
    return await import('./kernels/build/plain.ts');
  } catch (cause) {
    const message =
      'The CPU kernels for browsers without relaxed SIMD could not be loaded. Serve plain.js beside engine.js.';
    throw new SelvedgeError('unsupported_device', message, { cause });
  }
}

/** The import `env.memory` ends in its kind (2) and its limits' flags: 3 shared with a maximum, 1 not shared with one. */
function unshare(bytes: Uint8Array): void {
  const name = [3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 3];
  const at = bytes.findIndex((_, i) => name.every((byte, j) => bytes[i + j] === byte));
  assert(at >= 0, 'the kernels import memory');
  bytes[at + name.length - 1] = 1;
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = (): never => {
    throw new Error('selvedge invariant broken: a kernel aborted');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as Kernels;
}
