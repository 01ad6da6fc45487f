/**
 * Puts back, in an answer as it streams in, what its aliases stand for: in what each choice says and thinks, and in the
 * arguments of tool calls as far as the policy lets it. A restorer holds back the possible beginning of an alias; that
 * comes out before its choice ends.
 */
import { SelvedgeError } from '../errors.ts';
import { createRestorer, restore } from '../privacy/restore.ts';
import type { RestoreOptions, Restorer } from '../privacy/restore.ts';
import type { Vault } from '../privacy/vault.ts';
import type { ChatCompletionChunk } from './types.ts';

type Choice = ChatCompletionChunk['choices'][number];

/** What one choice says, and what it thought. */
interface ChoiceRestorers {
  content: Restorer;
  reasoning: Restorer;
}

export async function* restoreChunks(
  chunks: AsyncIterable<ChatCompletionChunk>,
  vault: Vault,
  options: RestoreOptions,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const restorers = new Map<number, ChoiceRestorers>();
  const restorersOf = (index: number): ChoiceRestorers => {
    const known = restorers.get(index) ?? {
      content: createRestorer(vault, options),
      reasoning: createRestorer(vault, { ...options, format: 'markdown' }),
    };
    restorers.set(index, known);
    return known;
  };
  try {
    for await (const chunk of chunks) {
      const choices = chunk.choices.map((choice) => restoreChoice(choice, restorersOf(choice.index)));
      yield { ...chunk, choices: choices.map((choice) => restoreCalls(choice, vault, options)) };
    }
  } catch (error) {
    throw restoreFailure(error, vault, options);
  }
}

function restoreChoice(choice: Choice, { content, reasoning }: ChoiceRestorers): Choice {
  const { delta, finish_reason: finish } = choice;
  const { content: said, reasoning_content: thought, ...rest } = delta;
  const end = (restorer: Restorer): string => (finish === null ? '' : restorer.end());
  const text = content.push(said ?? '') + end(content);
  const thinking = reasoning.push(thought ?? '') + end(reasoning);
  return {
    ...choice,
    delta: {
      ...rest,
      ...(said === undefined && text === '' ? {} : { content: text }),
      ...(thinking === '' ? {} : { reasoning_content: thinking }),
    },
  };
}

/** Calls come whole. */
function restoreCalls(choice: Choice, vault: Vault, options: RestoreOptions): Choice {
  const calls = choice.delta.tool_calls?.map((call) => {
    const given = call.function?.arguments;
    if (given === undefined) return call;
    const restored = restore(given, vault, { ...options, format: 'tool-arguments' });
    return { ...call, function: { ...call.function, arguments: restored } };
  });
  return calls ? { ...choice, delta: { ...choice.delta, tool_calls: calls } } : choice;
}

/** An error that carries the text that had come shows it as it would have been shown. */
function restoreFailure(error: unknown, vault: Vault, options: RestoreOptions): unknown {
  if (!(error instanceof SelvedgeError) || typeof error.details['partial'] !== 'string') return error;
  const { code, message, details, retryable, cause } = error;
  const partial = restore(error.details['partial'], vault, options);
  return new SelvedgeError(code, message, { cause, details: { ...details, partial }, retryable });
}
