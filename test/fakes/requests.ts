/**
 * Requests as the engine takes them, with every setting stated: tests name only what they are about.
 */
import type { ContentSettings, GenerateRequest, Prompt, SamplingRequest } from '../../src/rpc/protocol.ts';

export const GREEDY: SamplingRequest = {
  bias: [],
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: null,
};

/** Nothing is kept unless a test says so. */
export const CONTENT: ContentSettings = { prefixBytes: 0, tenant: '', passphrase: null };

export function ask(
  prompt: Prompt | string,
  settings: Partial<Omit<GenerateRequest, 'prompt'>> = {},
): GenerateRequest {
  return {
    prompt: typeof prompt === 'string' ? chat(prompt) : prompt,
    sampling: GREEDY,
    choiceCount: 1,
    maxTokens: null,
    stop: [],
    topLogprobs: null,
    stream: true,
    priority: 0,
    privacy: 'personal',
    cancelFlag: null,
    ...settings,
  };
}

/** One user message. */
export function chat(content: string): Prompt {
  return { kind: 'chat', messages: [{ role: 'user', content }], templateArguments: {}, context: 'error' };
}
