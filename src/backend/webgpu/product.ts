/**
 * WGSL of matrix times activations, for steps of up to 8 rows (more are groups): all that a layer multiplies, with
 * what comes before and after it. One source for each width, and all of them compute a row in the same order: by lanes over
 * blocks, then over lanes. A step's rows are only more accumulators, so a row has the same bits in all of them.
 *
 * The RMS norm of the activations costs no dispatch of its own: each lane sums the squares of what it reads anyway, and the
 * sum scales the products at the end.
 */
import type { ModelShape } from '../session.ts';
import type { Planes } from './matrix-kinds.ts';
import { eachQuad, quadText, rowReader } from './read-row.ts';
import type { RowReader } from './read-row.ts';
import { STEP_STRUCT } from './step.ts';
import type { ProductShape, Width } from './tuning.ts';

export interface ProductSpec {
  /** All of the same columns. Each has its workgroups, one behind the other. */
  matrices: readonly {
    planes: Planes;
    /** Where its first output lies in a row of the output. */ outAt: number;
  }[];
  /** The first of two matrices of equal rows is the gate of the second, through this; one output for both. */
  gate?: ModelShape['activation'];
  /** Activations are RMS-normed first, by a vector. */
  norm?: { epsilon: number };
  /** A vector as long as the outputs is added; the up matrix's behind the gate's. */
  bias: boolean;
  /** Outputs are multiplied by `scale`; and added to what is there ('add'), or put there. */
  store: 'put' | 'add';
  scale: number;
  /** Only rows that picks are wanted of, by a list of their numbers. */
  wanted: boolean;
  /** Floats of a row of the output. */
  outStride: number;
}

/** Names of the buffers in the order of their bindings. */
export function bindingsOf({ matrices, norm, bias, wanted }: ProductSpec): string[] {
  return [
    'step',
    ...matrices.map((_, i) => `w${i}`),
    'x',
    'out',
    ...(norm ? ['norm'] : []),
    ...(bias ? ['bias'] : []),
    ...(wanted ? ['wanted'] : []),
  ];
}

const DECLARATIONS: Record<string, string> = {
  step: 'var<uniform> step: Step;',
  x: 'var<storage, read> x: array<vec4<f32>>;',
  out: 'var<storage, read_write> out: array<f32>;',
  norm: 'var<storage, read> norm: array<vec4<f32>>;',
  bias: 'var<storage, read> bias: array<f32>;',
  wanted: 'var<storage, read> wanted: array<u32>;',
};

/** Rows of outputs of one workgroup. */
export function rowsOfGroup({ gate }: ProductSpec, { lanes, rowsPerThread, threads }: ProductShape): number {
  return (threads / lanes) * (gate ? rowsPerThread / 2 : rowsPerThread);
}

/** Workgroups of all matrices. */
export function groupsOf(spec: ProductSpec, shape: ProductShape): number {
  const counts = spec.matrices.map(({ planes }) => Math.ceil(planes.rows / rowsOfGroup(spec, shape)));
  return spec.gate ? counts[0]! : counts.reduce((a, b) => a + b, 0);
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const each = (count: number, line: (i: number) => string): string => range(count).map(line).join('');

/** An f32 of exactly this value. */
export function literal(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}

const ACTIVATIONS: Record<ModelShape['activation'], string> = {
  silu: 'fn activate(v: f32) -> f32 { return v / (1.0f + exp(min(-v, 80.0f))); }',
  gelu: `fn activate(v: f32) -> f32 {
  let u = ${literal(Math.sqrt(2 / Math.PI))} * fma(0.044715f * v * v, v, v);
  return 0.5f * v * (1.0f + tanh(clamp(u, -10.0f, 10.0f)));
}`,
};

/** Rows that a thread has at a time, by matrix and accumulator. */
interface Stream {
  name: string;
  reader: RowReader;
  planes: Planes;
  /** Of the thread's rows. */
  row: number;
}

export function productSource(spec: ProductSpec, shape: ProductShape, width: Width): string {
  const { matrices, gate, norm, wanted } = spec;
  const { lanes, threads, rowsPerThread } = shape;
  const { blocks } = matrices[0]!.planes;
  const declarations = bindingsOf(spec).map((name, binding) => {
    const text = DECLARATIONS[name] ?? `var<storage, read> ${name}: array<vec4<u32>>;`;
    return `@group(0) @binding(${binding}) ${text}`;
  });
  const slots = rowsPerThread * width + (norm ? width : 0);
  const columns = each(width, (c) => {
    const row = `min(first + ${c}u, count - 1u)`;
    return `let x_${c} = ${wanted ? `wanted[${row}]` : row} * ${blocks * 8}u;\n`;
  });
  const zeros = each(rowsPerThread, (r) => each(width, (c) => `var a_${r}_${c} = 0.0f;\n`));
  return `${STEP_STRUCT}${declarations.join('\n')}
var<workgroup> parts: array<f32, ${slots * (threads + 1)}>;
${gate ? ACTIVATIONS[gate] : ''}
${totalSource(lanes, threads)}
@compute @workgroup_size(${threads}) fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) all: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group.x + group.z * all.x;
  if (index >= ${groupsOf(spec, shape)}u) { return; }
  let lane = thread & ${lanes - 1}u;
  let count = step.${wanted ? 'wanted' : 'rows'};
  let first = group.y * ${width}u;
${columns}${zeros}${norm ? each(width, (c) => `var sq_${c} = 0.0f;\n`) : ''}
${loops(spec, shape, width)}
${each(rowsPerThread, (r) => each(width, (c) => `parts[${(r * width + c) * (threads + 1)}u + thread] = a_${r}_${c};\n`))}${
    norm
      ? each(width, (c) => `parts[${(rowsPerThread * width + c) * (threads + 1)}u + thread] = sq_${c};\n`)
      : ''
  }workgroupBarrier();
${outputs(spec, shape, width)}}
`;
}

/** Sums what the lanes of a group of rows have, always in this order. */
function totalSource(lanes: number, threads: number): string {
  const at = `let at = slot * ${threads + 1}u + rows * ${lanes}u;`;
  if (lanes < 4) {
    const sum = range(lanes).map((i) => `parts[at + ${i}u]`);
    return `fn total(slot: u32, rows: u32) -> f32 { ${at} return ${sum.join(' + ')}; }`;
  }
  return `fn total(slot: u32, rows: u32) -> f32 {
  ${at}
  var sum = vec4<f32>(parts[at], parts[at + 1u], parts[at + 2u], parts[at + 3u]);
  for (var i = 4u; i < ${lanes}u; i += 4u) {
    sum += vec4<f32>(parts[at + i], parts[at + i + 1u], parts[at + i + 2u], parts[at + i + 3u]);
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}`;
}

/** One loop over blocks for each matrix; gate and up are in one. */
function loops(spec: ProductSpec, shape: ProductShape, width: Width): string {
  const { matrices, gate } = spec;
  const { rowsPerThread } = shape;
  const streamsOf = (matrix: number, count: number, from: number): Stream[] => {
    const { planes } = matrices[matrix]!;
    const reader = rowReader(planes, `w${matrix}`);
    return range(count).map((row) => ({ name: `${from + row}`, reader, planes, row }));
  };
  const half = rowsPerThread / 2;
  if (gate) return loop(spec, shape, width, [...streamsOf(0, half, 0), ...streamsOf(1, half, half)], 0);
  let before = 0;
  return matrices
    .map(({ planes }, i) => {
      const start = before;
      before += Math.ceil(planes.rows / rowsOfGroup(spec, shape));
      const isLast = i === matrices.length - 1;
      const body = loop(spec, shape, width, streamsOf(i, rowsPerThread, 0), start);
      const condition = isLast ? '' : `if (index < ${before}u) `;
      return matrices.length === 1 ? body : `${condition}{\n${body}}`;
    })
    .join(' else ');
}

/** `start`: the first workgroup of the matrix. */
function loop(
  spec: ProductSpec,
  shape: ProductShape,
  width: Width,
  streams: readonly Stream[],
  start: number,
): string {
  const { lanes } = shape;
  const { blocks } = spec.matrices[0]!.planes;
  const perThread = spec.gate ? shape.rowsPerThread / 2 : shape.rowsPerThread;
  const rows = streams.map(
    ({ name, planes, row }) => `let r_${name} = min(row + ${row}u, ${planes.rows - 1}u) * ${blocks}u;\n`,
  );
  const quads = eachQuad(shape.isUnrolled, (q) => {
    const activations = range(width).map((c) => {
      const read = `x[x_${c} + block * 8u + ${quadText(q)}]`;
      if (!spec.norm) return `let u_${c} = ${read};\n`;
      return `let v_${c} = ${read};\n${squares(c)}let u_${c} = v_${c} * n;\n`;
    });
    const products = streams.map(({ name, reader }) => {
      const chain = each(width, (c) =>
        [...'xyzw']
          .map((k) => `a_${name}_${c} = fma(w_${name}.${k}, u_${c}.${k}, a_${name}_${c});`)
          .join(' ')
          .concat('\n'),
      );
      return `let w_${name} = ${reader.quad(name, q)};\n${chain}`;
    });
    const loads = streams.map(({ name, reader }) => reader.load(name, q)).join('');
    const scale = spec.norm ? `let n = norm[block * 8u + ${quadText(q)}];\n` : '';
    return `${loads}{\n${scale}${activations.join('')}${products.join('')}}\n`;
  });
  const heads = streams.map(({ name, reader }) => `let i_${name} = r_${name} + block;\n${reader.head(name)}`);
  return `let row = ((index - ${start}u) * ${shape.threads / lanes}u + thread / ${lanes}u) * ${perThread}u;
${rows.join('')}for (var block = lane; block < ${blocks}u; block += ${lanes}u) {
${heads.join('')}${quads}}
`;
}

function squares(c: number): string {
  return [...'xyzw']
    .map((k) => `sq_${c} = fma(v_${c}.${k}, v_${c}.${k}, sq_${c});`)
    .join(' ')
    .concat('\n');
}

/** Each output is summed and stored by one thread. */
function outputs(spec: ProductSpec, shape: ProductShape, width: Width): string {
  const { matrices, gate, norm, bias, store, scale } = spec;
  const perThread = gate ? shape.rowsPerThread / 2 : shape.rowsPerThread;
  const perGroup = rowsOfGroup(spec, shape);
  const { blocks, rows } = matrices[0]!.planes;
  const root = norm
    ? `let root = inverseSqrt(fma(total(${shape.rowsPerThread * width}u + column, rows), ${literal(1 / (blocks * 32))}, ${literal(norm.epsilon)}));\n`
    : '';
  /** Fused by hand, so that no compiler does it in one width and not in another. */
  const sum = (slot: string, at: string): string => {
    const total = `total(${slot} * ${width}u + column, rows)`;
    if (!norm) return bias ? `(${total} + bias[${at}])` : total;
    return bias ? `fma(${total}, root, bias[${at}])` : `(${total} * root)`;
  };
  const value = gate
    ? `(activate(${sum('slot', 'to')}) * ${sum(`(slot + ${perThread}u)`, `to + ${spec.outStride}u`)})`
    : sum('slot', 'to');
  const target = `out[(first + column) * ${spec.outStride}u + to]`;
  const stored =
    store === 'add' ? `fma(${value}, ${literal(scale)}, ${target})` : `${value} * ${literal(scale)}`;
  let before = 0;
  const places = gate
    ? [`let row = index * ${perGroup}u + local; let to = row + ${matrices[0]!.outAt}u; let most = ${rows}u;`]
    : [
        'var row = 0u; var to = 0u; var most = 0u;',
        ...matrices.map(({ planes, outAt }, i) => {
          const start = before;
          before += Math.ceil(planes.rows / perGroup);
          const place = `row = (index - ${start}u) * ${perGroup}u + local; to = row + ${outAt}u; most = ${planes.rows}u;`;
          const condition = i === matrices.length - 1 ? '' : `if (index < ${before}u) `;
          return `${i === 0 ? '' : 'else '}${condition}{ ${place} }`;
        }),
      ];
  return `for (var o = thread; o < ${perGroup * width}u; o += ${shape.threads}u) {
let column = o / ${perGroup}u;
let local = o % ${perGroup}u;
let rows = local / ${perThread}u;
let slot = local % ${perThread}u;
${places.join('\n')}
if (first + column < count && row < most) {
${root}${target} = ${stored};
}
}
`;
}
