import { describeContentKeys } from '../conformance/content-keys.ts';
import { createMemoryKeys } from './memory-keys.ts';

const keys = createMemoryKeys();
describeContentKeys('in memory', async () => keys);
