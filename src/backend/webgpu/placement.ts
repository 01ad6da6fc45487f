/**
 * Which buffers a model's matrices get, worked out and made before a byte arrives. Query, key and value are one product, and so
 * are gate and up; of equal types, query, key and value are one matrix too. What these kernels cannot run is refused here, by
 * name.
 */
import { SelvedgeError } from '../../errors.ts';
import type { ModelPlan, ModelShape, TensorPlan, TensorRole } from '../session.ts';
import type { Gpu } from './gpu.ts';
import { kindOf } from './matrix-kinds.ts';
import { createParts, rowsPerPart } from './matrices.ts';
import type { MatrixPart } from './matrices.ts';

/** What is multiplied in one go. */
export type ProductName = 'embedding' | 'head' | 'attend' | 'attention-output' | 'feed' | 'down';

const PRODUCTS: Readonly<Record<ProductName, readonly TensorRole[]>> = {
  embedding: ['embedding'],
  head: ['head'],
  attend: ['query', 'key', 'value'],
  'attention-output': ['attention-output'],
  feed: ['gate', 'up'],
  down: ['down'],
};
const MATRICES: readonly TensorRole[] = Object.values(PRODUCTS).flat();

export interface PlacedMatrix {
  parts: MatrixPart[];
  /** Its first output among those of its product. */
  outAt: number;
}

/** Where a tensor's rows go. */
export interface Destination {
  parts: readonly MatrixPart[];
  firstRow: number;
}

export interface Placement {
  /** By `${product} ${layer}`, in the order of the roles. */
  products: Map<string, PlacedMatrix[]>;
  /** By `${role} ${layer}`. */
  destinations: Map<string, Destination>;
}

export function freePlacement(gpu: Gpu, { products }: Placement): void {
  for (const { parts } of [...products.values()].flat())
    for (const { buffer } of parts) gpu.freeBuffer(buffer);
}

export function placementBytes({ products }: Placement): number {
  const parts = [...products.values()].flat().flatMap((matrix) => matrix.parts);
  return parts.reduce((sum, { buffer }) => sum + buffer.size, 0);
}

export function isMatrix({ role }: TensorPlan): boolean {
  return MATRICES.includes(role);
}

function unsupported(message: string): SelvedgeError {
  return new SelvedgeError('unsupported_model', `${message} The GPU kernels of this version cannot run it.`);
}

function checkShape({ hiddenSize, ffnSize, headSize }: ModelShape): void {
  const sizes = { 'hidden size': hiddenSize, 'feed-forward size': ffnSize, 'head size': headSize };
  for (const [name, value] of Object.entries(sizes)) {
    if (value % 32 !== 0) throw unsupported(`The model's ${name} is ${value}, not a multiple of 32.`);
  }
}

/** Throws `unsupported_model` for what the kernels cannot run. */
export function checkPlan({ shape, tensors }: ModelPlan): void {
  checkShape(shape);
  for (const tensor of tensors) {
    const { name, type, columns } = tensor;
    if (isMatrix(tensor)) {
      const { fileColumns } = kindOf(type);
      if (columns % fileColumns === 0) continue;
      throw unsupported(
        `Tensor '${name}' is ${type} with ${columns} columns, not a multiple of ${fileColumns}.`,
      );
    }
    if (type !== 'F32') throw unsupported(`Tensor '${name}' is ${type}, expected F32.`);
  }
}

/** Makes the buffers of all matrices, into `placement`: what is there when it throws is the caller's to free. */
export function placeMatrices(gpu: Gpu, { shape, tensors }: ModelPlan, placement: Placement): void {
  const byRole = new Map(tensors.map((tensor) => [`${tensor.role} ${tensor.layer}`, tensor]));
  for (const layer of [-1, ...Array.from({ length: shape.layerCount }, (_, i) => i)]) {
    for (const [name, roles] of Object.entries(PRODUCTS)) {
      const found = roles
        .map((role) => byRole.get(`${role} ${layer}`))
        .filter((tensor) => tensor !== undefined);
      if (found.length === 0) continue;
      const product: PlacedMatrix[] = [];
      placement.products.set(`${name} ${layer}`, product);
      placeProduct(gpu, found, product, placement);
    }
  }
}

function placeProduct(
  gpu: Gpu,
  tensors: readonly TensorPlan[],
  product: PlacedMatrix[],
  { destinations }: Placement,
): void {
  const isGated = tensors.some(({ role }) => role === 'gate');
  // Gate and up meet row by row, so their parts end at the same rows.
  const most = isGated ? Math.min(...tensors.map((tensor) => rowsPerPart(gpu, tensor))) : undefined;
  let outAt = 0;
  for (const run of isGated ? tensors.map((tensor) => [tensor]) : runsOfOneType(tensors)) {
    const rows = run.reduce((sum, tensor) => sum + tensor.rows, 0);
    const parts: MatrixPart[] = [];
    product.push({ parts, outAt });
    createParts(gpu, { ...run[0]!, rows }, parts, most);
    let firstRow = 0;
    for (const tensor of run) {
      destinations.set(`${tensor.role} ${tensor.layer}`, { parts, firstRow });
      firstRow += tensor.rows;
    }
    outAt += rows;
  }
}

function runsOfOneType(tensors: readonly TensorPlan[]): TensorPlan[][] {
  const runs: TensorPlan[][] = [];
  for (const tensor of tensors) {
    const run = runs.at(-1);
    if (run?.[0]?.type === tensor.type) run.push(tensor);
    else runs.push([tensor]);
  }
  return runs;
}
