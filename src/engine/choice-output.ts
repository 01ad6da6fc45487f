/**
 * One choice's way from picks to what is shown: token bytes become text without half characters, stop strings
 * are cut out, thinking is parted from the answer, and each token's logprob goes out with the first of its text. What
 * gathers between two messages is taken as one delta.
 */
import type { Pick } from '../backend/session.ts';
import type { ChoiceDelta, FinishReason, TokenLogprob } from '../rpc/protocol.ts';
import type { ReasoningTags } from '../model/reasoning-tags.ts';
import type { LoadedModel } from './loaded-model.ts';
import { createReasoningFilter } from './reasoning.ts';
import type { Parted, ReasoningOptions } from './reasoning.ts';
import { createStopFilter } from './stop-strings.ts';

export interface ChoiceOutput {
  /** Returns true when the choice ends here: an end token, or a stop string is complete. */
  push(pick: Pick): boolean;
  finish(reason: FinishReason): void;
  /** What has gathered since the last time; undefined when there is nothing to show. */
  take(): ChoiceDelta | undefined;
  /** Tokens before the answer, if it was thought about. */
  reasoningTokens(): number;
}

export interface OutputOptions {
  choice: number;
  model: LoadedModel;
  stop: readonly string[];
  reasoning: ReasoningOptions & { tags: ReasoningTags | undefined };
  withLogprobs: boolean;
}

/** A token's statistics wait until its text, which begins at `start`, is shown. */
interface HeldLogprob {
  start: number;
  entry: TokenLogprob;
}

export function createChoiceOutput(options: OutputOptions): ChoiceOutput {
  const { choice, model, stop, withLogprobs } = options;
  const stream = model.openTextStream(options.reasoning.tags?.ids);
  const filter = createStopFilter(stop);
  const reasoning = createReasoningFilter(options.reasoning);
  /** Where each token before the answer begins. */
  const starts: number[] = [];
  let held: HeldLogprob[] = [];
  let gathered: Parted = { reasoning: '', text: '' };
  let finish: FinishReason | null = null;
  /** UTF-16 units that were decoded, and those of them that no stop string held back. */
  let decoded = 0;
  let passed = 0;
  let stopped = false;

  function gather(parted: Parted): void {
    gathered = { reasoning: gathered.reasoning + parted.reasoning, text: gathered.text + parted.text };
  }

  function pass(piece: string): void {
    passed += piece.length;
    gather(reasoning.push(piece));
  }

  function decode(piece: string): void {
    decoded += piece.length;
    const filtered = filter.push(piece);
    pass(filtered.text);
    stopped = filtered.stopped;
  }

  /** Those whose text is shown now. The rest waits, but for those of what was thought. */
  function takeLogprobs(): TokenLogprob[] {
    const { answerStart = Infinity } = reasoning;
    const end = finish !== null && !stopped ? Infinity : passed;
    const taken = held.filter(({ start }) => start >= answerStart && start < end);
    held = held.filter(({ start }) => start >= end);
    return taken.map(({ entry }) => entry);
  }

  return {
    push(pick) {
      if (model.endTokens.has(pick.id)) return true;
      if (reasoning.answerStart === undefined) starts.push(decoded);
      if (withLogprobs) held.push({ start: decoded, entry: describe(pick, model) });
      decode(stream.push(pick.id));
      return stopped;
    },
    finish(reason) {
      if (!stopped) {
        decode(stream.flush());
        pass(filter.flush());
      }
      gather(reasoning.flush());
      finish = reason;
    },
    take() {
      if (gathered.text === '' && gathered.reasoning === '' && finish === null) return undefined;
      const delta = { choice, ...gathered, logprobs: takeLogprobs(), finish };
      gathered = { reasoning: '', text: '' };
      return delta;
    },
    reasoningTokens() {
      const { reasons, answerStart = Infinity } = reasoning;
      return reasons ? starts.filter((start) => start < answerStart).length : 0;
    },
  };
}

function describe(pick: Pick, model: LoadedModel): TokenLogprob {
  const bytes = (id: number): number[] => [...model.tokenBytes(id)];
  return {
    bytes: bytes(pick.id),
    logprob: pick.logprob,
    top: (pick.top ?? []).map(({ id, logprob }) => ({ bytes: bytes(id), logprob })),
  };
}
