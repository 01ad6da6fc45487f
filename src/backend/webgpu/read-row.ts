/**
 * WGSL that reads a block of 32 weights of one row, four at a time, from a matrix's buffer (matrix-kinds.ts). Every name is
 * spelled out with literal indices: arrays that are indexed by a variable would be spilled to memory.
 */
import type { MatrixKind, Planes } from './matrix-kinds.ts';

/** Statements and expressions for the block of index `i_NAME` (row x blocks + block), which the caller declares. */
export interface RowReader {
  /** Once a block: its scales and upper bits. */
  head(name: string): string;
  /** Before `quad(name, q)`, for q = 0 .. 7 in order: the codes that this quad is the first to need. */
  load(name: string, q: number): string;
  /** The weights 4q .. 4q + 3, a vec4<f32>. */
  quad(name: string, q: number): string;
}

const XYZW = 'xyzw';
const component = (q: number): string => XYZW[q & 3]!;

/** `buffer` is the name of an `array<vec4<u32>>`. */
export function rowReader({ kind, highAt, scalesAt }: Planes, buffer: string): RowReader {
  const quads = kind.codeWords / 4;
  const word = (at: number, index: string): string =>
    `${buffer}[${at / 4}u + ((${index}) >> 2u)][(${index}) & 3u]`;
  const high = (name: string): string => {
    if (kind.highWords === 0) return '';
    if (kind.highWords === 1) return `let h_${name} = ${word(highAt, `i_${name}`)};\n`;
    return [0, 1].map((n) => `let h_${name}_${n} = ${word(highAt, `i_${name} * 2u + ${n}u`)};\n`).join('');
  };
  return {
    head: (name) => high(name) + scales(kind, name, (index) => word(scalesAt, index), scalesAt, buffer),
    load(name, q) {
      const perQuad = 8 / quads;
      if (q % perQuad !== 0) return '';
      const part = q / perQuad;
      return `let c_${name}_${part} = ${buffer}[i_${name} * ${quads}u + ${part}u];\n`;
    },
    quad: (name, q) => quadOf(kind, name, q),
  };
}

function quadOf(kind: MatrixKind, name: string, q: number): string {
  const codes = (part: number): string => `c_${name}_${part}`;
  switch (kind.type) {
    case 'F32':
      return `bitcast<vec4<f32>>(${codes(q)})`;
    case 'BF16': {
      const [a, b] = [`${codes(q >> 1)}.${component(2 * q)}`, `${codes(q >> 1)}.${component(2 * q + 1)}`];
      return `bitcast<vec4<f32>>(vec4<u32>(${a} << 16u, ${a} & 0xffff0000u, ${b} << 16u, ${b} & 0xffff0000u))`;
    }
    case 'F16': {
      const [a, b] = [`${codes(q >> 1)}.${component(2 * q)}`, `${codes(q >> 1)}.${component(2 * q + 1)}`];
      return `vec4<f32>(unpack2x16float(${a}), unpack2x16float(${b}))`;
    }
    case 'Q8_0': {
      const bytes = `bitcast<vec4<i32>>(vec4<u32>(${codes(q >> 2)}.${component(q)}) << vec4<u32>(24u, 16u, 8u, 0u))`;
      return `vec4<f32>(${bytes} >> vec4<u32>(24u)) * d_${name}`;
    }
    default: {
      const group = kind.scales.startsWith('super-16') && q >= 4 ? 'second_' : '';
      return `fma(vec4<f32>(${nibbles(kind, name, q)}), vec4<f32>(d_${group}${name}), vec4<f32>(m_${group}${name}))`;
    }
  }
}

/** Low nibbles are the first 16 values, high ones the others. */
function nibbles({ highWords }: MatrixKind, name: string, q: number): string {
  const shift = 4 * (q >> 2);
  const low = `((vec4<u32>(c_${name}_0.${component(q)}) >> vec4<u32>(${[0, 8, 16, 24].map((s) => `${s + shift}u`).join(', ')})) & vec4<u32>(15u))`;
  if (highWords === 0) return low;
  const [word, first, width] = highWords === 1 ? ['', 4 * q, 1] : [`_${q >> 2}`, 8 * (q & 3), 2];
  const shifts = [0, 1, 2, 3].map((n) => `${first + n * width}u`).join(', ');
  const mask = `vec4<u32>(${(1 << width) - 1}u)`;
  return `(${low} | (((vec4<u32>(h_${name}${word}) >> vec4<u32>(${shifts})) & ${mask}) << vec4<u32>(4u)))`;
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
