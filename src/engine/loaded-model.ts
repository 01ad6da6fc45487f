/**
 * What the engine needs of a model once it is loaded: a session that runs it and the ways between text and
 * token ids. `load.ts` makes it from a file; tests make it from a table. Types only.
 */
import type { Placement } from '../backend/ladder/place.ts';
import type { Session } from '../backend/session.ts';
import type { ReasoningTags } from '../model/reasoning-tags.ts';
import type { ChatMessage, LoadProgress, ModelFacts, ModelInfo } from '../rpc/protocol.ts';

/** Turns a stream of token ids into text, never half a character. */
export interface TextStream {
  push(id: number): string;
  /** What is left, incomplete characters replaced. */
  flush(): string;
}

/** What goes with a call that loads. */
export interface LoadCall {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  /** Why it is the CPU that is asked for, in sentences. */
  cpuBecause?: string;
}

export interface LoadedModel {
  info: ModelInfo;
  session: Session;
  placement: Pick<Placement, 'adapter' | 'why'>;
  /** Equal ones compute equal keys and values from equal tokens, in sessions whose blocks have equal formats. */
  kvIdentity: string;
  /** Tokens that end an answer and are never shown. */
  endTokens: ReadonlySet<number>;
  encode(text: string, options: { parseSpecial: boolean }): number[];
  /** A raw prompt: special tokens are read as such, and the file's begin-of-text token goes before it. */
  encodePrompt(text: string): number[];
  decode(ids: readonly number[]): string;
  tokenBytes(id: number): Uint8Array;
  /** `beginning`: what the answer begins with; the prompt ends behind it. */
  renderChat(
    messages: readonly ChatMessage[],
    templateArguments: Record<string, unknown>,
    beginning?: string,
  ): number[];
  /** Between which tags a chat's answer is preceded by thinking. */
  reasoning: ReasoningTags | undefined;
  /** Control tokens are left out, but for those named. */
  openTextStream(named?: ReadonlySet<number>): TextStream;
  /** The model that drafts for it. */
  draft?: DraftModel;
}

export interface DraftModel {
  info: ModelFacts;
  session: Session;
  /** How many tokens both models have, from the first on: the same ones. */
  vocabSize: number;
}
