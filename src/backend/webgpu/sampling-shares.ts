/** What the raw logits say about a row: its two largest, mass and entropy. A chunk's part is joined with others by pairs. */
import { CHUNK, MAIN, WANTS, samplingHead } from './sampling-parts.ts';

/** The least finite number: of no token. */
const LOWEST = '-0x1.fffffep127';

/** A chunk's shares: largest logit, second largest, mass, and sum of mass x distance, relative to the largest. */
export const SHARES = `
fn joined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let high = max(a.x, b.x);
  let second = max(min(a.x, b.x), max(a.y, b.y));
  let da = max(a.x - high, -200.0);
  let db = max(b.x - high, -200.0);
  let wa = exp(da);
  let wb = exp(db);
  return vec4<f32>(high, second, a.z * wa + b.z * wb, (a.w + a.z * da) * wa + (b.w + b.z * db) * wb);
}
`;

export const STATISTICS = `
  if ((own.wants & ${WANTS.statistics}u) == 0u) { return; }
  var all = vec4<f32>(${LOWEST}, ${LOWEST}, 0.0, 0.0);
  for (var chunk = 0u; chunk < chunkCount; chunk++) { all = joined(all, shares[begin + chunk]); }
  let logMass = log(all.z);
  results[out + 2u] = bitcast<u32>(all.y);
  results[out + 3u] = bitcast<u32>(logMass);
  results[out + 4u] = bitcast<u32>(logMass - all.w / all.z);
  results[out + 5u] = bitcast<u32>(all.x);`;

/** shares: [rows][chunks]. Workgroups (chunks, rows). */
export function shareKernel(stride: number, chunks: number): string {
  return `${samplingHead(['read> parameters: array<Parameters>', 'read> logits: array<f32>', 'read_write> shares: array<vec4<f32>>'])}
${SHARES}
var<workgroup> parts: array<vec4<f32>, 64>;
${MAIN} {
  let row = group.y;
  if ((parameters[row].wants & ${WANTS.statistics}u) == 0u) { return; }
  let end = min(step.candidates, (group.x + 1u) * ${CHUNK}u);
  var own = vec4<f32>(${LOWEST}, ${LOWEST}, 0.0, 0.0);
  for (var id = group.x * ${CHUNK}u + t; id < end; id += 64u) {
    let logit = logits[row * ${stride}u + id];
    let bits = bitcast<u32>(logit);
    if ((bits & 0x7fffffffu) > 0x7f800000u || bits == 0xff800000u) { continue; }
    own = joined(own, vec4<f32>(logit, ${LOWEST}, 1.0, 0.0));
  }
  parts[t] = own;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (t < half) { parts[t] = joined(parts[t], parts[t + half]); }
  }
  if (t == 0u) { shares[row * ${chunks}u + group.x] = parts[0]; }
}
`;
}
