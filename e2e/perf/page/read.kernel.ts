/** Reads `bytes` from `start`, `passes` times, and returns a sum so that no load can be left out. AssemblyScript. */
export function read(start: usize, bytes: usize, passes: i32): i32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (let pass = 0; pass < passes; pass++) {
    for (let at = start, end = start + bytes; at < end; at += 64) {
      a = v128.xor(a, v128.load(at));
      b = v128.xor(b, v128.load(at, 16));
      c = v128.xor(c, v128.load(at, 32));
      d = v128.xor(d, v128.load(at, 48));
    }
  }
  const sum = v128.xor(v128.xor(a, b), v128.xor(c, d));
  return (
    i32x4.extract_lane(sum, 0) ^
    i32x4.extract_lane(sum, 1) ^
    i32x4.extract_lane(sum, 2) ^
    i32x4.extract_lane(sum, 3)
  );
}
