/** A whole chat completion from its chunks. */
import { assert } from '../errors.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  FinishReason,
  TokenLogprob,
  ToolCall,
  ToolCallDelta,
} from './types.ts';

interface Gathered {
  content: string;
  reasoning: string;
  calls: ToolCall[];
  logprobs: TokenLogprob[] | null;
  finish: FinishReason | null;
}

/** The chunks end with one that has the usage; the one that ends the last choice has the timings. */
export async function collectChat(chunks: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletion> {
  const choices: Gathered[] = [];
  let end: Partial<ChatCompletionChunk> = {};
  for await (const chunk of chunks) {
    const { choices: pieces, ...rest } = chunk;
    end = { ...end, ...rest };
    for (const piece of pieces) {
      const choice = (choices[piece.index] ??= {
        content: '',
        reasoning: '',
        calls: [],
        logprobs: null,
        finish: null,
      });
      const { content = '', reasoning_content: thought = '', tool_calls: calls = [] } = piece.delta;
      choice.content += content;
      choice.reasoning += thought;
      for (const call of calls) addCall(choice.calls, call);
      if (piece.logprobs) choice.logprobs = [...(choice.logprobs ?? []), ...piece.logprobs.content];
      choice.finish = piece.finish_reason ?? choice.finish;
    }
  }
  const { id, created, model, system_fingerprint, usage, timings, seed, selvedge } = end;
  assert(id !== undefined && created !== undefined && model !== undefined, 'an answer has a chunk');
  assert(usage && timings && seed !== undefined, 'an answer ends with its usage and timings');
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    system_fingerprint: system_fingerprint ?? '',
    choices: choices.map((choice, index) => wholeChoice(choice, index)),
    usage,
    timings,
    seed,
    ...(selvedge ? { selvedge } : {}),
  };
}

function wholeChoice(
  { content, reasoning, calls, logprobs, finish }: Gathered,
  index: number,
): ChatCompletion['choices'][number] {
  assert(finish, 'an answer has a finish reason for each choice');
  return {
    index,
    message: {
      role: 'assistant',
      content,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      refusal: null,
    },
    logprobs: logprobs && { content: logprobs, refusal: null },
    finish_reason: finish,
  };
}

function addCall(calls: ToolCall[], { index, id, function: piece }: ToolCallDelta): void {
  const call = (calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
  call.id = id ?? call.id;
  call.function.name += piece?.name ?? '';
  call.function.arguments += piece?.arguments ?? '';
}
