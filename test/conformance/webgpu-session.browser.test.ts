/** The WebGPU session does what every session must. Its architectures are webgpu-reference.browser.test.ts. */
import { afterAll } from 'vitest';
import { gpuRoom } from '../gpu/open.ts';
import { tinyGguf } from '../models/tiny-gguf.ts';
import { describeSession } from './session.ts';

const room = gpuRoom();
afterAll(() => room.close());

const bytes = tinyGguf({ type: 'Q4_1', types: { embedding: 'Q8_0' } });
describeSession('of the WebGPU kernels', () => room.open(bytes, { kv: 'q8' }));
