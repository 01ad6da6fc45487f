import { describeFailingProvider, describeProvider } from '../conformance/provider.ts';
import { createScriptedProvider } from './scripted-provider.ts';

describeProvider('from a script', async (text) => ({
  provider: createScriptedProvider({ answer: () => text }),
}));

describeFailingProvider('from a script', async (text) => ({
  provider: createScriptedProvider({ answer: () => text, failAfter: 100 }),
  shown: Array.from(text).slice(0, 100).join(''),
}));
