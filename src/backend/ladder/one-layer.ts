/**
 * A small model that is a part of a large one: one layer with its real weights, between the first rows of the embedding and
 * a head. It is collected from the beginning of the file, so that a device can be tried before the weights are fetched.
 * The layer may be repeated: what two layers take more than one is what a layer takes.
 *
 * What lies in the file behind the layer is made up: factors and the final norm are ones, the head is the embedding. That
 * changes what is computed, on every device alike.
 */
import { assert } from '../../errors.ts';
import type { ModelPlan, Session, SessionOptions, TensorPlan, WeightSink } from '../session.ts';

export type OpenSink = (plan: ModelPlan, options: SessionOptions) => Promise<WeightSink>;

/** Tokens of the small model. */
const VOCABULARY = 256;
/** As tensors are aligned in a file. */
const ALIGNMENT = 32;

interface Part {
  /** `byteLength` and `rows` may be less than in the file. */
  tensor: TensorPlan;
  bytes: Uint8Array;
  isMadeUp: boolean;
}

export class LayerParts {
  readonly #plan: ModelPlan;
  readonly #layer: number;
  readonly #parts: Part[];
  /** Of the file, in bytes; after it nothing is wanted. */
  readonly #end: number;
  #position = 0;

  constructor(plan: ModelPlan) {
    this.#plan = plan;
    const ends = new Map<number, number>();
    for (const tensor of plan.tensors) {
      if (tensor.layer >= 0) ends.set(tensor.layer, Math.max(ends.get(tensor.layer) ?? 0, endOf(tensor)));
    }
    const [layer, end] = [...ends].reduce((best, next) => (next[1] < best[1] ? next : best));
    this.#layer = layer;
    const { vocabSize } = this;
    this.#parts = plan.tensors.flatMap((tensor) => {
      if (tensor.layer >= 0 && tensor.layer !== layer) return [];
      if (tensor.role === 'head-bias' || (tensor.role === 'head' && tensor.fileOffset >= end)) return [];
      const cut =
        tensor.role === 'embedding' || tensor.role === 'head' ? firstRows(tensor, vocabSize) : tensor;
      const isMadeUp = tensor.fileOffset >= end && tensor.role !== 'embedding';
      return [{ tensor: cut, bytes: isMadeUp ? ones(cut) : new Uint8Array(cut.byteLength), isMadeUp }];
    });
    this.#end = Math.max(
      ...this.#parts.filter(({ isMadeUp }) => !isMadeUp).map(({ tensor }) => endOf(tensor)),
    );
  }

  /** Bytes of the file in order; those in front of the first tensor and behind the last are not looked at. */
  take(fileOffset: number, bytes: Uint8Array): void {
    for (const { tensor, bytes: target, isMadeUp } of this.#parts) {
      const from = Math.max(fileOffset, tensor.fileOffset);
      const to = Math.min(fileOffset + bytes.length, endOf(tensor));
      if (isMadeUp || from >= to) continue;
      target.set(bytes.subarray(from - fileOffset, to - fileOffset), from - tensor.fileOffset);
    }
    this.#position = Math.max(this.#position, fileOffset + bytes.length);
  }

  get isComplete(): boolean {
    return this.#position >= this.#end;
  }

  get vocabSize(): number {
    return Math.min(VOCABULARY, this.#plan.shape.vocabSize);
  }

  /** Of a layer's matrices and vectors. */
  get layerBytes(): number {
    return this.#sum(({ layer }) => layer >= 0);
  }

  /** Of the whole model's head, and of the small one's. */
  get headBytes(): { whole: number; here: number } {
    const sum = (tensors: readonly TensorPlan[]): number => {
      const named = (role: string): TensorPlan | undefined => tensors.find((tensor) => tensor.role === role);
      return (named('head') ?? named('embedding'))?.byteLength ?? 0;
    };
    return { whole: sum(this.#plan.tensors), here: sum(this.#parts.map(({ tensor }) => tensor)) };
  }

  /** The model with the layer so many times. */
  async open(layers: number, openSink: OpenSink, options: SessionOptions): Promise<Session> {
    assert(this.isComplete, 'all of the layer was read');
    const { shape } = this.#plan;
    let end = 0;
    const placed = Array.from({ length: layers }, (_, index) => index).flatMap((index) =>
      this.#parts
        .filter(({ tensor }) => tensor.layer >= 0 || index === 0)
        .map(({ tensor, bytes }) => {
          const fileOffset = end;
          end = Math.ceil((end + bytes.length) / ALIGNMENT) * ALIGNMENT;
          return { tensor: { ...tensor, layer: tensor.layer < 0 ? -1 : index, fileOffset }, bytes };
        }),
    );
    const plan = {
      shape: {
        ...shape,
        layerCount: layers,
        vocabSize: this.vocabSize,
        layers: Array.from({ length: layers }, () => shape.layers[this.#layer]!),
        tiedHead: !placed.some(({ tensor }) => tensor.role === 'head'),
      },
      tensors: placed.map(({ tensor }) => tensor),
    };
    const sink = await openSink(plan, options);
    try {
      for (const { tensor, bytes } of placed) sink.write(tensor.fileOffset, bytes);
      return await sink.finish();
    } catch (error) {
      sink.abort();
      throw error;
    }
  }

  #sum(which: (tensor: TensorPlan) => boolean): number {
    return this.#parts.reduce((sum, { tensor }) => sum + (which(tensor) ? tensor.byteLength : 0), 0);
  }
}

function endOf({ fileOffset, byteLength }: TensorPlan): number {
  return fileOffset + byteLength;
}

function firstRows(tensor: TensorPlan, rows: number): TensorPlan {
  return { ...tensor, rows, byteLength: (tensor.byteLength / tensor.rows) * rows };
}

/** Vectors are F32. */
function ones({ byteLength, columns }: TensorPlan): Uint8Array {
  assert(byteLength === 4 * columns, 'what lies behind the layers is vectors of F32');
  return new Uint8Array(new Float32Array(columns).fill(1).buffer);
}
