/**
 * WGSL that reads a block of 32 weights of one row, four at a time, from a matrix's buffer (matrix-kinds.ts). Which four is an
 * expression: a number where a kernel spells out all eight, so that every index is a constant and nothing is spilled to memory,
 * or a loop's variable where kernels must be small.
 */
import type { MatrixKind, Planes } from './matrix-kinds.ts';

/** Statements and expressions for the block of index `i_NAME` (row x blocks + block), which the caller declares. */
export interface RowReader {
  /** Once a block: its scales and upper bits, and its codes where they are one vec4. */
  head(name: string): string;
  /** Before `quad(name, q)`, for q = 0 .. 7 in order: the codes that this quad is the first to need; in a loop, its own. */
  load(name: string, q: Quad): string;
  /** The weights 4q .. 4q + 3, a vec4<f32>. */
  quad(name: string, q: Quad): string;
}

/** A number from 0 to 7, or the variable q. */
export type Quad = number | 'q';

/** `body` for the eight quads of a block: spelled out, or in a loop. */
export function eachQuad(isUnrolled: boolean, body: (q: Quad) => string): string {
  if (!isUnrolled) return `for (var q = 0u; q < 8u; q += 1u) {\n${body('q')}}\n`;
  return Array.from({ length: 8 }, (_, q) => body(q)).join('');
}

/** As WGSL. */
export function quadText(q: Quad): string {
  return q === 'q' ? q : `${q}u`;
}

/** `buffer` is the name of an `array<vec4<u32>>`. */
export function rowReader({ kind, highAt, scalesAt }: Planes, buffer: string): RowReader {
  const vectors = kind.codeWords / 4;
  /** Quads of a vec4 of codes. */
  const quads = 8 / vectors;
  const word = (at: number, index: string): string =>
    `${buffer}[${at / 4}u + ((${index}) >> 2u)][(${index}) & 3u]`;
  const high = (name: string): string => {
    if (kind.highWords === 0) return '';
    if (kind.highWords === 1) return `let h_${name} = ${word(highAt, `i_${name}`)};\n`;
    const [low, upper] = [0, 1].map((n) => word(highAt, `i_${name} * 2u + ${n}u`));
    return `let h_${name} = vec2<u32>(${low}, ${upper});\n`;
  };
  /** Names differ where several are in one scope. */
  const codes = (name: string, q: Quad): string =>
    `c_${name}_${vectors === 1 || q === 'q' ? 0 : Math.floor(q / quads)}`;
  const first = (name: string): string =>
    vectors === 1 ? `let ${codes(name, 0)} = ${buffer}[i_${name}];\n` : '';
  return {
    head: (name) =>
      first(name) + high(name) + scales(kind, name, (index) => word(scalesAt, index), scalesAt, buffer),
    load(name, q) {
      if (vectors === 1 || (q !== 'q' && q % quads !== 0)) return '';
      return `let ${codes(name, q)} = ${buffer}[i_${name} * ${vectors}u + ${quadText(q)} / ${quads}u];\n`;
    },
    quad: (name, q) => quadOf(kind, name, codes(name, q), quadText(q)),
  };
}

function quadOf(kind: MatrixKind, name: string, codes: string, q: string): string {
  switch (kind.type) {
    case 'F32':
      return `bitcast<vec4<f32>>(${codes})`;
    case 'BF16': {
      const [a, b] = [`${codes}[(2u * ${q}) & 3u]`, `${codes}[(2u * ${q} + 1u) & 3u]`];
      return `bitcast<vec4<f32>>(vec4<u32>(${a} << 16u, ${a} & 0xffff0000u, ${b} << 16u, ${b} & 0xffff0000u))`;
    }
    case 'F16':
      return `vec4<f32>(unpack2x16float(${codes}[(2u * ${q}) & 3u]), unpack2x16float(${codes}[(2u * ${q} + 1u) & 3u]))`;
    case 'Q8_0': {
      const bytes = `bitcast<vec4<i32>>(vec4<u32>(${codes}[${q} & 3u]) << vec4<u32>(24u, 16u, 8u, 0u))`;
      return `vec4<f32>(${bytes} >> vec4<u32>(24u)) * d_${name}`;
    }
    default: {
      const isSplit = kind.scales.startsWith('super-16');
      const scale = (letter: string): string =>
        isSplit ? `select(${letter}_second_${name}, ${letter}_${name}, ${q} < 4u)` : `${letter}_${name}`;
      const values = `vec4<f32>(${nibbles(kind, name, codes, q)})`;
      return `fma(${values}, vec4<f32>(${scale('d')}), vec4<f32>(${scale('m')}))`;
    }
  }
}

/** Low nibbles are the first 16 values, high ones the others. */
function nibbles({ highWords }: MatrixKind, name: string, codes: string, q: string): string {
  const shifts = `(vec4<u32>(0u, 8u, 16u, 24u) + 4u * (${q} >> 2u))`;
  const low = `((vec4<u32>(${codes}[${q} & 3u]) >> ${shifts}) & vec4<u32>(15u))`;
  if (highWords === 0) return low;
  const upper =
    highWords === 1
      ? `((vec4<u32>(h_${name}) >> (vec4<u32>(0u, 1u, 2u, 3u) + 4u * ${q})) & vec4<u32>(1u))`
      : `((vec4<u32>(h_${name}[${q} >> 2u]) >> (vec4<u32>(0u, 2u, 4u, 6u) + 8u * (${q} & 3u))) & vec4<u32>(3u))`;
  return `(${low} | (${upper} << vec4<u32>(4u)))`;
}

/** Declares d (step) and m (floor) of the block; of its second half too where groups have 16 values. */
function scales(
  { scales: form, type, offset }: MatrixKind,
  name: string,
  word: (index: string) => string,
  scalesAt: number,
  buffer: string,
): string {
  const i = `i_${name}`;
  const floor = (group = ''): string => `let m_${group}${name} = d_${group}${name} * -${offset}.0;\n`;
  switch (form) {
    case 'none':
      return '';
    case 'half':
      return (
        `let d_${name} = unpack2x16float(${word(`${i} >> 1u`)})[${i} & 1u];\n` +
        (type === 'Q8_0' ? '' : floor())
      );
    case 'halves':
      return `let s_${name} = unpack2x16float(${word(i)});
let d_${name} = s_${name}.x;
let m_${name} = s_${name}.y;
`;
    case 'super-32':
      return `let s_${name} = ${buffer}[${scalesAt / 4}u + (${i} >> 3u)];
let f_${name} = unpack2x16float(s_${name}.x);
let n_${name} = (${i} & 7u) * 4u;
let d_${name} = f_${name}.x * f32(((s_${name}.y >> n_${name}) & 15u) | (((s_${name}.w >> n_${name}) & 3u) << 4u));
let m_${name} = -f_${name}.y * f32(((s_${name}.z >> n_${name}) & 15u) | (((s_${name}.w >> (n_${name} + 2u)) & 3u) << 4u));
`;
    case 'super-16':
      return `let o_${name} = (${i} >> 3u) * 5u;
let p_${name} = bitcast<i32>(${word(`o_${name} + ((${i} & 7u) >> 1u)`)} << (16u - 16u * (${i} & 1u)));
let f_${name} = bitcast<f32>(${word(`o_${name} + 4u`)});
let d_${name} = f_${name} * f32((p_${name} << 8u) >> 24u);
let d_second_${name} = f_${name} * f32(p_${name} >> 24u);
${floor()}${floor('second_')}`;
    case 'super-16-floors':
      return `let o_${name} = (${i} >> 3u) * 5u;
let p_${name} = ${word(`o_${name} + ((${i} & 7u) >> 1u)`)} >> (16u * (${i} & 1u));
let f_${name} = unpack2x16float(${word(`o_${name} + 4u`)});
let d_${name} = f_${name}.x * f32(p_${name} & 15u);
let m_${name} = -f_${name}.y * f32((p_${name} >> 4u) & 15u);
let d_second_${name} = f_${name}.x * f32((p_${name} >> 8u) & 15u);
let m_second_${name} = -f_${name}.y * f32((p_${name} >> 12u) & 15u);
`;
    default:
      return form satisfies never;
  }
}
