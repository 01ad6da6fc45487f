/**
 * Follows an answer to its end, whichever it is, so that what was said is known when it is sent again: a choice is
 * remembered before its last chunk is handed out, and what broke off when it did.
 */
import type { ChatCompletionChunk, Usage } from './types.ts';

export interface Follower {
  /** A text of the answer, whole or as far as it came. */
  remember(text: string): void;
  /** What is shown is remembered before it is: of secrets not even a part may be sent on while the rest still comes. */
  isUrgent: boolean;
  /** 'aborted': by the signal, or because the reader left. */
  end(outcome: 'done' | 'aborted' | 'failed', usage: Usage | null): void;
}

interface Said {
  content: string;
  reasoning: string;
  calls: string[];
  /** UTF-16 units of content and reasoning that are remembered. */
  kept: number;
}

/** UTF-16 units: less says little. */
const TELLING = 24;

export async function* followAnswer(
  chunks: AsyncIterable<ChatCompletionChunk>,
  { remember, isUrgent, end }: Follower,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const open = new Map<number, Said>();
  let usage: Usage | null = null;
  let outcome: 'done' | 'aborted' | 'failed' = 'aborted';

  function close(index: number): void {
    const said = open.get(index);
    open.delete(index);
    for (const text of said ? [said.reasoning, said.content, ...said.calls] : []) remember(text);
  }

  function keepUp(said: Said): void {
    const length = said.content.length + said.reasoning.length;
    if (length - said.kept < TELLING) return;
    said.kept = length;
    remember(said.reasoning);
    remember(said.content);
  }

  try {
    for await (const chunk of chunks) {
      usage = chunk.usage ?? usage;
      for (const { index, delta, finish_reason: finish } of chunk.choices) {
        const said = open.get(index) ?? { content: '', reasoning: '', calls: [], kept: 0 };
        open.set(index, said);
        said.content += delta.content ?? '';
        said.reasoning += delta.reasoning_content ?? '';
        for (const { index: at, function: piece } of delta.tool_calls ?? []) {
          said.calls[at] = (said.calls[at] ?? '') + (piece?.arguments ?? '');
        }
        if (finish !== null) close(index);
        else if (isUrgent) keepUp(said);
      }
      yield chunk;
    }
    outcome = 'done';
  } catch (error) {
    if (!signal.aborted) outcome = 'failed';
    throw error;
  } finally {
    for (const index of open.keys()) close(index);
    end(outcome, usage);
  }
}
