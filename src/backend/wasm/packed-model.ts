/** A model whose weights lie in linear memory, packed: what the sink hands to the session. Types only. */
import type { ModelPlan, SessionOptions } from '../session.ts';
import type { Arena } from './arena.ts';
import type { Matrix } from './layout.ts';
import type { Kernels, Simd } from './module.ts';

/** A packed matrix in memory. */
export interface PlacedMatrix extends Matrix {
  at: number;
  /** Bytes from one group to the next: gate and up of a layer alternate. */
  stride: number;
  /** f32 per row where activations meet it in 14 bits, else 0. */
  offsets: number;
}

/** Everything that stays when the last byte is packed. */
export interface PackedModel {
  plan: ModelPlan;
  options: SessionOptions;
  simd: Simd;
  shared: boolean;
  module: WebAssembly.Module;
  kernels: Kernels;
  arena: Arena;
  /** By `${role} ${layer}`. */
  matrices: Map<string, PlacedMatrix>;
  /** f32 vectors by `${role} ${layer}`. */
  vectors: Map<string, number>;
  weightBytes: number;
}
