/** Tells kernels apart: the checksum of sources that use all of what they are generated from. */
import type { TensorType } from '../session.ts';
import { addNormedSource } from './add-normed.ts';
import { mergeKernel, rowsKernel, storeKernel, tilesKernel } from './attention-kernels.ts';
import { splitsOf } from './attention-shape.ts';
import type { AttentionShape } from './attention-shape.ts';
import { embedSource } from './embed.ts';
import { allKinds, kindOf, planesOf } from './matrix-kinds.ts';
import { productSource } from './product.ts';

/** Of what a session's numbers come from: products, norms and attention. Sampling has the CPU's picks in every version. */
export const WEBGPU_VERSION = checksum(
  [
    ...allKinds().flatMap(({ type }) => sourcesOf(type)),
    addNormedSource(64, 0.5, 0.5),
    ...(['q8', 'f32'] as const).flatMap(attentionSources),
  ].join(''),
);

function attentionSources(kv: 'q8' | 'f32'): string[] {
  const shape: AttentionShape = {
    headSize: 32,
    headCount: 2,
    kvHeadCount: 1,
    kv,
    scale: 0.5,
    softCap: 0.5,
    rotation: { size: 32, pairs: 'halves' },
    queryNorm: true,
    keyNorm: true,
    epsilon: 0.5,
    ...splitsOf(4096),
  };
  return [tilesKernel(shape), mergeKernel(shape), storeKernel(shape), rowsKernel(shape)];
}

function sourcesOf(type: TensorType): string[] {
  const planes = planesOf(kindOf(type), 256, 8);
  const matrices = [
    { planes, outAt: 0 },
    { planes, outAt: 0 },
  ];
  const spec = {
    matrices,
    norm: { epsilon: 0.5 },
    bias: true,
    scale: 0.5,
    wanted: true,
    outStride: 8,
  };
  const shape = { lanes: 4, rowsPerThread: 2, threads: 8, isUnrolled: true };
  return [
    embedSource(planes, 0, 0.5),
    productSource({ ...spec, store: 'add' }, shape, 1),
    productSource({ ...spec, store: 'put', gate: 'gelu' }, shape, 1),
    productSource({ ...spec, store: 'put', gate: 'silu' }, shape, 1),
  ];
}

/** FNV-1a, in hexadecimal. */
function checksum(text: string): string {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return (sum >>> 0).toString(16);
}
