/** What the browser tests stand on: without isolation the kernels' threads would silently not be tested. */
import { expect, it } from 'vitest';

it('runs browser tests on an isolated page, where memory can be shared', () => {
  expect(crossOriginIsolated).toBe(true);
  expect(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer).toBeInstanceOf(
    SharedArrayBuffer,
  );
});
