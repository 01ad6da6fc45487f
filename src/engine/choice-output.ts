/**
 * One choice's way from picks to what is shown: token bytes become text without half characters, stop strings
 * are cut out, and each token's logprob goes out with the first of its text. What gathers between two messages
 * is taken as one delta.
 */
import type { Pick } from '../backend/session.ts';
import type { ChoiceDelta, FinishReason, TokenLogprob } from '../rpc/protocol.ts';
import type { LoadedModel } from './loaded-model.ts';
import { createStopFilter } from './stop-strings.ts';

export interface ChoiceOutput {
  /** Returns true when the choice ends here: an end token, or a stop string is complete. */
  push(pick: Pick): boolean;
  finish(reason: FinishReason): void;
  /** What has gathered since the last time; undefined when there is nothing to show. */
  take(): ChoiceDelta | undefined;
}

export interface OutputOptions {
  choice: number;
  model: LoadedModel;
  stop: readonly string[];
  withLogprobs: boolean;
}

/** A token's statistics wait until its text, which begins at `start`, is shown. */
interface HeldLogprob {
  start: number;
  entry: TokenLogprob;
}

export function createChoiceOutput({ choice, model, stop, withLogprobs }: OutputOptions): ChoiceOutput {
  const stream = model.openTextStream();
  const filter = createStopFilter(stop);
  let held: HeldLogprob[] = [];
  let text = '';
  let finish: FinishReason | null = null;
  /** UTF-16 units of the answer that were decoded, and those of them that were shown. */
  let decoded = 0;
  let shown = 0;
  let stopped = false;

  function show(piece: string): void {
    text += piece;
    shown += piece.length;
  }

  function decode(piece: string): void {
    decoded += piece.length;
    const passed = filter.push(piece);
    show(passed.text);
    stopped = passed.stopped;
  }

  return {
    push(pick) {
      if (model.endTokens.has(pick.id)) return true;
      if (withLogprobs) held.push({ start: decoded, entry: describe(pick, model) });
      decode(stream.push(pick.id));
      return stopped;
    },
    finish(reason) {
      if (!stopped) {
        decode(stream.flush());
        show(filter.flush());
      }
      finish = reason;
    },
    take() {
      if (text === '' && finish === null) return undefined;
      const isAll = finish !== null && !stopped;
      const isShown = ({ start }: HeldLogprob): boolean => isAll || start < shown;
      const logprobs = held.filter(isShown).map(({ entry }) => entry);
      held = held.filter((one) => !isShown(one));
      const delta = { choice, text, logprobs, finish };
      text = '';
      return delta;
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
