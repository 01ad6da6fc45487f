/**
 * SHA-256 (FIPS 180-4). The browser's own digest runs at gigabytes per second on other threads but takes only
 * whole buffers, and is missing on insecure pages; this one takes a file piece by piece. It is used where the
 * caller names the hash of a whole file, and where the browser has none.
 */

/** First 32 bits of the fractions of the cube roots of the first 64 primes. */
const ROUNDS = fractions(64, Math.cbrt);
/** The same of the square roots of the first 8. */
const START = fractions(8, Math.sqrt);

/** SHA-256 of `bytes`, which may be changed as soon as this returned its promise. */
export async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (subtle) return new Uint8Array(await subtle.digest('SHA-256', bytes));
  const sha256 = new Sha256();
  sha256.update(bytes);
  return sha256.finish();
}

export class Sha256 {
  readonly #state = Int32Array.from(START);
  readonly #schedule = new Int32Array(64);
  /** The block that is not full yet. */
  readonly #block = new Uint8Array(64);
  #byteLength = 0;

  update(bytes: Uint8Array): void {
    const held = this.#byteLength % 64;
    this.#byteLength += bytes.length;
    let at = 0;
    if (held > 0) {
      at = Math.min(64 - held, bytes.length);
      this.#block.set(bytes.subarray(0, at), held);
      if (held + at < 64) return;
      this.#compress(this.#block, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
  }

  /** The hash, 32 bytes. No update may follow. */
  finish(): Uint8Array {
    const byteLength = this.#byteLength;
    const padding = new Uint8Array(((119 - (byteLength % 64)) % 64) + 9);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(byteLength) * 8n);
    this.update(padding);
    const hash = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, index) => hash.setInt32(index * 4, word));
    return new Uint8Array(hash.buffer);
  }

  #compress(bytes: Uint8Array, at: number): void {
    const w = this.#schedule;
    for (let i = 0, j = at; i < 16; i++, j += 4) {
      w[i] = (bytes[j]! << 24) | (bytes[j + 1]! << 16) | (bytes[j + 2]! << 8) | bytes[j + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    const state = this.#state;
    let a = state[0]!;
    let b = state[1]!;
    let c = state[2]!;
    let d = state[3]!;
    let e = state[4]!;
    let f = state[5]!;
    let g = state[6]!;
    let h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] = state[0]! + a;
    state[1] = state[1]! + b;
    state[2] = state[2]! + c;
    state[3] = state[3]! + d;
    state[4] = state[4]! + e;
    state[5] = state[5]! + f;
    state[6] = state[6]! + g;
    state[7] = state[7]! + h;
  }
}

/** Double precision leaves 53 - 5 bits of a fraction below 2^5, more than the 32 that are taken. */
function fractions(count: number, root: (value: number) => number): Int32Array {
  const words: number[] = [];
  for (let n = 2; words.length < count; n++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= n; divisor++) isPrime &&= n % divisor !== 0;
    if (isPrime) words.push((root(n) % 1) * 2 ** 32);
  }
  return Int32Array.from(words, (word) => Math.floor(word) | 0);
}
