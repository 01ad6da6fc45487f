/**
 * Counts what code asks the platform for: while it is on, buffers, typed arrays and arrays of a length are made by
 * proxies that add up the bytes of every request, before it is granted. So a test sees an absurd request even where
 * the platform would refuse it, or grant it lazily.
 */

const NAMES = [
  'ArrayBuffer',
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Array',
] as const;

export interface AllocationProbe {
  /** Asked for since the last call. */
  takeBytes(): number;
  stop(): void;
}

export function probeAllocations(): AllocationProbe {
  let bytes = 0;
  const originals = NAMES.map((name) => [name, Reflect.get(globalThis, name)] as const);
  for (const [name, original] of originals) {
    const width = name === 'ArrayBuffer' ? 1 : (Reflect.get(original, 'BYTES_PER_ELEMENT') ?? 8);
    const count = (parameters: readonly unknown[]): void => {
      const [length] = parameters;
      if (parameters.length === 1 && typeof length === 'number') bytes += length * width;
    };
    const proxy: object = new Proxy(original, {
      construct(target, parameters, newTarget): object {
        count(parameters);
        return Reflect.construct(target, parameters, newTarget === proxy ? target : newTarget);
      },
      apply(target, self, parameters) {
        count(parameters);
        return Reflect.apply(target, self, parameters);
      },
    });
    Reflect.set(globalThis, name, proxy);
  }
  return {
    takeBytes() {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
    stop() {
      for (const [name, original] of originals) Reflect.set(globalThis, name, original);
    },
  };
}
