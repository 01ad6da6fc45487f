/**
 * Whether and how a session sketches its head (kernels/sketch.ts), so that the best token is found by reading little more than half
 * of it. The same token either way: what is decided here costs or saves time only.
 *
 * How much of the head the sketch cannot rule out depends on the model: next to nothing where one token stands out, everything where
 * activations are long beside the differences of logits. So the first greedy steps are looked at: a sample of the head is sketched
 * in 4 and in 5 bits, and what would have been read counted. The sketch is drawn if it saves enough, in the bits that save most.
 */
import { assert } from '../../errors.ts';
import type { ModelPlan } from '../session.ts';
import { packOf } from './layout.ts';
import type { Matrix } from './layout.ts';
import type { PackedModel, PlacedMatrix } from './packed-model.ts';
import { setSketch } from './records.ts';

/** Of a group of 16 rows: f32 R[16] and N[16], the bounds of the kernels. */
const BOUNDS_BYTES = 128;
const SAMPLE_GROUPS = 32;
const WATCHED_STEPS = 4;
/** What comes first is unlike what follows, and steps that are only timed begin there. */
const EARLIEST_POSITION = 16;
/** Most of the head's bytes that a sketch may take to be worth it: several threads wait for memory, one for its arithmetic too. */
const WORTH = 0.85;
const WORTH_ALONE = 0.7;
/** Steps after which a sketch is looked at again, and how long it rests when it read too much. */
const REVIEW_STEPS = 32;
const REST_STEPS = 256;
/** Of activations rounded to 8 bits, |x - x'| / |x|; only for the estimate. */
const TYPICAL_ROUNDING = 0.01;
/** Weights of columns are whole numbers; a column of average activations has this one. */
const MEAN_WEIGHT = 256;
const LEAST_WEIGHT = 16;
const MOST_WEIGHT = 4095;

export type SketchType = 'Q4_0' | 'Q5_0';
const TYPES: readonly SketchType[] = ['Q4_0', 'Q5_0'];

/** Bounds of the sampled groups, [groups][R of 16 rows, N of 16 rows], and how often one could not be ruled out. */
interface Sample {
  type: SketchType;
  bounds: Float32Array;
  live: number;
}

/** Of which heads there are sketches. */
function canSketch({ tensors }: ModelPlan, { tensor }: Matrix): boolean {
  return tensor.type === 'Q8_0' && !tensors.some(({ role }) => role === 'head-bias');
}

/** The most that a session may take for a sketch, which it leaves alone where memory is short. */
export function sketchBytes(plan: ModelPlan, matrices: readonly Matrix[]): number {
  const role = plan.shape.tiedHead ? 'embedding' : 'head';
  const head = matrices.find(({ tensor }) => tensor.role === role);
  return head && canSketch(plan, head) ? bytesOf(head, 'Q5_0') : 0;
}

function strideOf({ tensor }: Matrix, type: SketchType): number {
  return (tensor.columns / 32) * packOf(type).blockBytes;
}

function bytesOf(head: Matrix, type: SketchType): number {
  return head.groups * (strideOf(head, type) + BOUNDS_BYTES);
}

export class HeadSketch {
  readonly #model: PackedModel;
  readonly #head: PlacedMatrix;
  /** Address of f32 [rows of the step][hidden]: what the final norm is applied to. */
  readonly #x: number;
  /** Address of what the kernels take: i16 weights of the columns, then f32 inverses of them. */
  readonly #weights: number;
  readonly #inverses: Float32Array;
  /** Address of room for one group. Taken at first: where memory grows, views of it end. */
  readonly #room: number;
  #samples: Sample[] = [];
  #watched = 0;
  #drawn: { type: SketchType; at: number; bounds: number } | undefined;
  #picks = 0;
  #read = 0;
  #rest = 0;

  /** Undefined for a head of another type than Q8_0, or with a bias. `rows`: of `x`, computed from tokens of any kind. */
  static of(model: PackedModel, x: number, rows: number): HeadSketch | undefined {
    const head = model.matrices.get(model.plan.shape.tiedHead ? 'embedding -1' : 'head -1');
    return head && canSketch(model.plan, head) ? new HeadSketch(model, head, x, rows) : undefined;
  }

  private constructor(model: PackedModel, head: PlacedMatrix, x: number, rows: number) {
    this.#model = model;
    this.#head = head;
    this.#x = x;
    const { columns } = head.tensor;
    this.#weights = model.arena.allocate(columns * 6);
    this.#room = model.arena.allocate(strideOf(head, 'Q5_0') + BOUNDS_BYTES);
    const sums = new Float64Array(columns);
    for (let row = 0; row < rows; row++) this.#normed(row).forEach((v, c) => (sums[c]! += Math.abs(v)));
    this.#inverses = this.#writeWeights(sums);
  }

  /** Whether the step that begins may ask for the winner alone. */
  begin(): boolean {
    if (!this.#drawn) return false;
    if (this.#rest === 0) return true;
    this.#rest -= 1;
    return false;
  }

  /** Whether greedy steps are still looked at. */
  get isUndecided(): boolean {
    return this.#watched < WATCHED_STEPS;
  }

  get bytes(): number {
    return this.#drawn ? bytesOf(this.#head, this.#drawn.type) : 0;
  }

  /**
   * After a greedy step at `position` that computed all logits: those of row `row`. Returns what it is time to draw, if it fits into `room`
   * bytes. One thread multiplies 5 bits hardly faster than it reads 8.
   */
  watch(
    row: number,
    position: number,
    logits: Float32Array,
    room: number,
    threads: number,
  ): SketchType | undefined {
    const isWhole = logits.length === this.#model.plan.shape.vocabSize;
    if (!this.isUndecided || !isWhole || position < EARLIEST_POSITION) return undefined;
    if (this.#watched === 0) this.#samples = TYPES.map((type) => this.#sampleOf(type));
    for (const sample of this.#samples) sample.live += this.#countLive(sample, row, logits);
    this.#watched += 1;
    if (this.#watched < WATCHED_STEPS) return undefined;
    const costs = this.#samples
      .filter(({ type }) => threads > 1 || type === 'Q4_0')
      .map(({ type, live }) => ({
        type,
        cost: this.#shareOf(type) + live / (WATCHED_STEPS * SAMPLE_GROUPS),
      }));
    this.#samples = [];
    const [best] = costs.sort((a, b) => a.cost - b.cost);
    const fits =
      best && best.cost <= (threads > 1 ? WORTH : WORTH_ALONE) && bytesOf(this.#head, best.type) <= room;
    return fits ? best.type : undefined;
  }

  /** Makes room for a sketch of the whole head, which the kernels then draw. Throws `out_of_memory`. */
  place(type: SketchType): void {
    const { groups } = this.#head;
    const at = this.#model.arena.allocate(bytesOf(this.#head, type));
    this.#drawn = { type, at, bounds: at + groups * strideOf(this.#head, type) };
    this.limit(groups);
  }

  /** Only the first `groups` groups of 16 tokens are read. */
  limit(groups: number): void {
    if (!this.#drawn) return;
    const { type, at, bounds } = this.#drawn;
    setSketch(this.#model, at, packOf(type).kind, strideOf(this.#head, type), groups, this.#weights, bounds);
  }

  /** After a step that asked for the winner: how many of `groups` groups were read from the head. */
  review(read: number, groups: number): void {
    assert(this.#drawn, 'there is a sketch');
    this.#read += read / groups;
    this.#picks += 1;
    if (this.#picks < REVIEW_STEPS) return;
    if (this.#shareOf(this.#drawn.type) + this.#read / this.#picks > 1) this.#rest = REST_STEPS;
    this.#picks = 0;
    this.#read = 0;
  }

  /** Of the head's bytes. */
  #shareOf(type: SketchType): number {
    return (strideOf(this.#head, type) + BOUNDS_BYTES) / this.#head.groupBytes;
  }

  /** Row `row` of the step behind the final norm. */
  #normed(row: number): Float64Array {
    const { arena, vectors, plan } = this.#model;
    const { hiddenSize, normEpsilon } = plan.shape;
    const x = Float64Array.from(arena.floats(this.#x + row * hiddenSize * 4, hiddenSize));
    const normAt = vectors.get('final-norm -1');
    assert(normAt !== undefined, 'the final norm is placed');
    const norm = arena.floats(normAt, hiddenSize);
    const square = x.reduce((sum, v) => sum + v * v, 0) / hiddenSize;
    return x.map((v, c) => (v * norm[c]!) / Math.sqrt(square + normEpsilon));
  }

  /** Weights in proportion to the magnitudes, with which the bound is least. */
  #writeWeights(magnitudes: Float64Array): Float32Array {
    const { arena } = this.#model;
    const { length } = magnitudes;
    const mean = magnitudes.reduce((sum, v) => sum + v, 0) / length;
    const weights = new Int16Array(arena.memory.buffer, this.#weights, length);
    const inverses = arena.floats(this.#weights + length * 2, length);
    for (let c = 0; c < length; c++) {
      const weight = Math.round((MEAN_WEIGHT * magnitudes[c]!) / mean);
      // A row of zeros has no mean.
      const whole = Math.max(LEAST_WEIGHT, Math.min(weight, MOST_WEIGHT)) || MEAN_WEIGHT;
      // Columns 0, 2, 1, 3 of each four.
      weights[(c & ~3) | ((c & 1) << 1) | ((c & 2) >> 1)] = whole;
      inverses[c] = 1 / whole;
    }
    return inverses.slice();
  }

  /** Groups all over the head, sketched for their bounds. */
  #sampleOf(type: SketchType): Sample {
    const { arena, kernels } = this.#model;
    const { at, stride, tensor } = this.#head;
    const room = this.#room;
    const found = room + strideOf(this.#head, type);
    const bounds = new Float32Array(SAMPLE_GROUPS * 32);
    for (let i = 0; i < SAMPLE_GROUPS; i++) {
      const group = at + this.#sampled(i) * stride;
      kernels.sketchGroup(packOf(type).kind, group, tensor.columns, this.#weights, room, found);
      bounds.set(arena.floats(found, 32), i * 32);
    }
    return { type, bounds, live: 0 };
  }

  /** The group that sample `i` is. */
  #sampled(i: number): number {
    return Math.floor((i * this.#head.groups) / SAMPLE_GROUPS);
  }

  /** Of the sampled groups, those with a logit that its bound would not rule out. */
  #countLive({ bounds }: Sample, row: number, logits: Float32Array): number {
    const x = this.#normed(row);
    const scale = this.#model.plan.shape.scales.logits;
    const reach = scale * Math.sqrt(x.reduce((sum, v, c) => sum + v * v * this.#inverses[c]!, 0));
    const rounding = scale * TYPICAL_ROUNDING * Math.hypot(...x);
    const top = logits.reduce((a, b) => Math.max(a, b));
    let live = 0;
    for (let i = 0; i < SAMPLE_GROUPS; i++) {
      const first = this.#sampled(i) * 16;
      const of = bounds.subarray(i * 32, i * 32 + 32);
      const isLive = logits
        .subarray(first, first + 16)
        .some((logit, r) => logit + of[r]! * reach + of[16 + r]! * rounding >= top);
      live += isLive ? 1 : 0;
    }
    return live;
  }
}
