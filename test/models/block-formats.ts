/**
 * Where the numbers of ggml's block formats lie (`block_q*` in ggml-common.h), as data. In all of them a value is
 *
 *   step * code - floor
 *
 * where a format of 32 values has one step and at most one floor, and one of 256 values (a K-quant) has a step and
 * perhaps a floor for each group: a half-precision factor of the block times a small integer of the group.
 */
import type { TensorType } from '../../src/backend/session.ts';
import { BitField, type Piece } from './bit-field.ts';

export interface BlockFormat {
  /** Values of a block. */
  size: number;
  /** Bytes of a block. */
  bytes: number;
  /** Offsets of the halves: the step or its factor; minus the floor, or the factor of floors. */
  d: number;
  m?: number;
  codes: BitField;
  groups?: { size: number; scales: BitField; floors?: BitField };
}

export type BlockType = Exclude<TensorType, 'F32' | 'F16' | 'BF16'>;

const SMALL = 32;
const SUPER = 256;

/** Nibbles of 32 values: the first 16 in the low ones, the others in the high ones. */
const nibble =
  (from: number) =>
  (i: number): Piece => [from + (i & 15), i < 16 ? 0 : 4, 4];

/** Of 256 values: a bit for each of 32 bytes, bit k for the values 32k .. 32k + 31. */
const bitOfThirtyTwo =
  (from: number) =>
  (i: number): Piece => [from + (i & 31), i >> 5, 1];

/** Of 256 values: pairs of bits, in 32 bytes for each half; pair k of a byte is for the values 32k .. of the half. */
const pairOfBits =
  (from: number) =>
  (i: number): Piece => [from + 32 * (i >> 7) + (i & 31), 2 * ((i >> 5) & 3), 2];

/** Of 256 values: 32 bytes for each 64 of them, the first 32 in the low nibbles. */
const nibbleOfSixtyFour =
  (from: number) =>
  (i: number): Piece => [from + 32 * (i >> 6) + (i & 31), 4 * ((i >> 5) & 1), 4];

/** The eight scales and floors of Q4_K and Q5_K in 12 bytes, six bits each: the last four are in two pieces. */
const sixBits =
  (first: number, shift: number) =>
  (j: number): Piece[] =>
    j < 4
      ? [[first + j, 0, 6]]
      : [
          [12 + j - 4, shift, 4],
          [first + j - 4, 6, 2],
        ];

const eightGroups = {
  size: 32,
  scales: new BitField(8, sixBits(4, 0)),
  floors: new BitField(8, sixBits(8, 4)),
};

export const BLOCK_FORMATS: Readonly<Record<BlockType, BlockFormat>> = {
  Q8_0: { size: SMALL, bytes: 34, d: 0, codes: new BitField(SMALL, (i) => [[2 + i, 0, 8]], 'signed') },
  Q4_0: { size: SMALL, bytes: 18, d: 0, codes: new BitField(SMALL, (i) => [nibble(2)(i)], 8) },
  Q4_1: { size: SMALL, bytes: 20, d: 0, m: 2, codes: new BitField(SMALL, (i) => [nibble(4)(i)]) },
  Q5_0: {
    size: SMALL,
    bytes: 22,
    d: 0,
    codes: new BitField(SMALL, (i) => [nibble(6)(i), [2 + (i >> 3), i & 7, 1]], 16),
  },
  Q5_1: {
    size: SMALL,
    bytes: 24,
    d: 0,
    m: 2,
    codes: new BitField(SMALL, (i) => [nibble(8)(i), [4 + (i >> 3), i & 7, 1]]),
  },
  Q2_K: {
    size: SUPER,
    bytes: 84,
    d: 80,
    m: 82,
    codes: new BitField(SUPER, (i) => [pairOfBits(16)(i)]),
    groups: {
      size: 16,
      scales: new BitField(16, (j) => [[j, 0, 4]]),
      floors: new BitField(16, (j) => [[j, 4, 4]]),
    },
  },
  Q3_K: {
    size: SUPER,
    bytes: 110,
    d: 108,
    codes: new BitField(SUPER, (i) => [pairOfBits(32)(i), bitOfThirtyTwo(0)(i)], 4),
    groups: {
      size: 16,
      scales: new BitField(
        16,
        (j) => [
          [96 + (j & 7), j < 8 ? 0 : 4, 4],
          [104 + (j & 3), 2 * (j >> 2), 2],
        ],
        32,
      ),
    },
  },
  Q4_K: {
    size: SUPER,
    bytes: 144,
    d: 0,
    m: 2,
    codes: new BitField(SUPER, (i) => [nibbleOfSixtyFour(16)(i)]),
    groups: eightGroups,
  },
  Q5_K: {
    size: SUPER,
    bytes: 176,
    d: 0,
    m: 2,
    codes: new BitField(SUPER, (i) => [nibbleOfSixtyFour(48)(i), bitOfThirtyTwo(16)(i)]),
    groups: eightGroups,
  },
  Q6_K: {
    size: SUPER,
    bytes: 210,
    d: 208,
    codes: new BitField(
      SUPER,
      (i) => [[64 * (i >> 7) + (i & 63), 4 * ((i >> 6) & 1), 4], pairOfBits(128)(i)],
      32,
    ),
    groups: { size: 16, scales: new BitField(16, (j) => [[192 + j, 0, 8]], 'signed') },
  },
};
