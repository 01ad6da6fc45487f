/** Requests, endpoints and covers as tests of the cloud client need them, and what comes of a stream. */
import type { ChatCompletionChunk, ChatCompletionParams, ToolCall } from '../../src/client/types.ts';
import type { EgressCover } from '../../src/privacy/egress-request.ts';
import type { CloudEndpoint } from '../../src/provider/provider.ts';

export function endpointOf(changes: Partial<CloudEndpoint> = {}): CloudEndpoint {
  return {
    id: 'near',
    baseURL: 'http://cloud.test/v1',
    model: 'scripted',
    contextLength: 4096,
    capabilities: {
      contextLength: 4096,
      tools: true,
      json: true,
      images: true,
      logprobs: true,
      n: true,
      continues: 'prefix',
    },
    continuation: 'continue_final_message',
    timeouts: { connectMs: null, firstTokenMs: null, betweenTokensMs: null },
    prices: null,
    capParameter: 'max_tokens',
    ...changes,
  };
}

export const cover: EgressCover = {
  decisionId: 'd-1',
  hosts: ['http://cloud.test'],
  classes: ['public'],
  forbidden: { find: () => null },
};

export function saying(text: string, changes: Partial<ChatCompletionParams> = {}): ChatCompletionParams {
  return { messages: [{ role: 'user', content: `say: ${text}` }], temperature: 0, ...changes };
}

export interface Collected {
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
  finishes: string[];
  chunks: ChatCompletionChunk[];
  error: unknown;
}

/** Reads a stream to its end, or to its failure. */
export async function collect(stream: AsyncIterable<ChatCompletionChunk>): Promise<Collected> {
  const collected: Collected = {
    text: '',
    reasoning: '',
    toolCalls: [],
    finishes: [],
    chunks: [],
    error: undefined,
  };
  try {
    for await (const chunk of stream) {
      collected.chunks.push(chunk);
      for (const { delta, finish_reason: finish } of chunk.choices) {
        collected.text += delta.content ?? '';
        collected.reasoning += delta.reasoning_content ?? '';
        if (finish) collected.finishes.push(finish);
        for (const { id = '', function: called } of delta.tool_calls ?? [])
          collected.toolCalls.push({
            id,
            type: 'function',
            function: { name: called?.name ?? '', arguments: called?.arguments ?? '' },
          });
      }
    }
  } catch (error) {
    collected.error = error;
  }
  return collected;
}
