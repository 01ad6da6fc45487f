import { describeOutputStore } from '../conformance/output-store.ts';
import { createMemoryOutputs } from './memory-outputs.ts';

const store = createMemoryOutputs();

describeOutputStore('in memory', async () => store);
