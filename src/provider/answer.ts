/**
 * One answer as the caller sees it, put together from the chunks of one attempt or, across a seam, of several: one id, an
 * opening chunk before a choice's text, one finish. What was handed out cannot be taken back, so what might have to be is
 * held: half a surrogate pair until the other half is there, and tool calls until their choice is finished, so that
 * no seam is ever inside one.
 */
import type {
  ChatCompletionChunk,
  ChoiceLogprobs,
  FinishReason,
  ToolCall,
  ToolCallDelta,
  Usage,
} from '../client/types.ts';
import type { WireChoice, WireChunk } from './cloud-chunk.ts';
import { createJoint } from './seam.ts';
import type { Joint, Junction } from './seam.ts';

/** The next answerer does not say again what it should; nothing of it was handed out. */
export class Diverged extends Error {}

export interface Answer {
  /** How many chunks were handed out; what is handed out cannot be said anew. */
  readonly chunkCount: number;
  readonly isFinished: boolean;
  /** Of the first choice, as far as it was handed out. */
  readonly text: string;
  /** What follows comes from a new attempt, begun at this junction. */
  beginPart(junction: Junction): void;
  /** What to hand out for a chunk that arrived. Throws `Diverged`. */
  feed(chunk: WireChunk): ChatCompletionChunk[];
  /** Ends the first choice where it is, because it has all the tokens that were asked for. */
  endAtLength(): ChatCompletionChunk[];
  /** The chunk without choices; its usage is null where none was told. */
  usageChunk(): ChatCompletionChunk;
  /** Tokens of what was handed out up to this length of the text: each delta counts as one. */
  tokensUpTo(length: number): number;
}

export interface AnswerOptions {
  choiceCount: number;
  /** Stand in for what an endpoint does not tell. */
  fallback: { id: string; created: number; model: string; fingerprint: string };
}

type Head = Pick<ChatCompletionChunk, 'id' | 'created' | 'model' | 'system_fingerprint'>;
type Delta = ChatCompletionChunk['choices'][number]['delta'];

/** What is known of one choice. */
interface Choice {
  isOpen: boolean;
  isFinished: boolean;
  heldContent: string;
  heldReasoning: string;
  toolCalls: ToolCall[];
}

export function createAnswer({ choiceCount, fallback }: AnswerOptions): Answer {
  const choices = Array.from({ length: choiceCount }, newChoice);
  const shown = createShownText();
  let head: Head | undefined;
  let joint: Joint | undefined;
  let chunkCount = 0;
  /** Tokens of the answer that are in the prompt of the current part. */
  let givenTokens = 0;
  let usage: Usage | undefined;

  const take = (wire: WireChoice): Piece[] => {
    const choice = choices[wire.index];
    if (!choice || choice.isFinished) return [];
    const { content, reasoning, finish } = wire;
    // Of what is said again they were handed out.
    const logprobs = joint?.isJoined() === false ? undefined : wire.logprobs;
    // What was thought before a seam was shown; what the next answerer thinks is another's thought.
    const newReasoning = joint ? '' : whole(choice, 'heldReasoning', reasoning, finish);
    const newContent = whole(
      choice,
      'heldContent',
      wire.index === 0 ? joined(content, finish) : content,
      finish,
    );
    for (const piece of wire.toolCalls) addToolCall(choice.toolCalls, piece);
    if (wire.index === 0) shown.add(newContent, newReasoning);
    const pieces: Piece[] = [];
    if (newReasoning !== '') pieces.push({ delta: { reasoning_content: newReasoning } });
    if (newContent !== '' || logprobs)
      pieces.push({ delta: newContent === '' ? {} : { content: newContent }, logprobs });
    if (finish !== undefined) {
      choice.isFinished = true;
      pieces.push(...finishing(choice.toolCalls, wire.index, finish));
    }
    if (pieces.length > 0 && !choice.isOpen) {
      choice.isOpen = true;
      pieces.unshift({ delta: { role: 'assistant', content: '' } });
    }
    return pieces;
  };

  /** The content that is new. */
  const joined = (content: string, finish: FinishReason | undefined): string => {
    if (!joint) return content;
    const added = joint.push(content);
    if (added === 'diverged' || (finish !== undefined && !joint.isJoined())) throw new Diverged();
    return added;
  };

  return {
    get chunkCount() {
      return chunkCount;
    },
    get isFinished() {
      return choices.every(({ isFinished }) => isFinished);
    },
    get text() {
      return shown.text;
    },
    tokensUpTo: shown.tokensUpTo,
    beginPart({ prefix, ...rest }) {
      for (const choice of choices) Object.assign(choice, NOTHING_HELD, { toolCalls: [] });
      usage = undefined;
      if (chunkCount === 0) return;
      joint = createJoint({ prefix, ...rest });
      givenTokens = shown.tokensUpTo(prefix.length);
    },
    feed(wire) {
      head ??= headOf(wire, fallback);
      usage = wire.usage ?? usage;
      const known = head;
      return wire.choices.flatMap((choice) => {
        const pieces = take(choice);
        chunkCount += pieces.length;
        return pieces.map((piece) => chunkOf(known, choice.index, piece));
      });
    },
    endAtLength() {
      for (const choice of choices) choice.isFinished = true;
      return [chunkOf(head ?? headOf({}, fallback), 0, { delta: {}, finish: 'length' })];
    },
    usageChunk: () => ({
      ...emptyChunk(head ?? headOf({}, fallback)),
      usage: usage ? usageOfAll(usage, givenTokens) : null,
    }),
  };
}

/** The text of the first choice as it was handed out, and how many tokens that took. */
function createShownText(): {
  readonly text: string;
  add(content: string, reasoning: string): void;
  tokensUpTo(length: number): number;
} {
  let text = '';
  let reasoningTokens = 0;
  /** Length of the text after each of its deltas. */
  const ends: number[] = [];
  return {
    get text() {
      return text;
    },
    add(content, reasoning) {
      if (reasoning !== '') reasoningTokens += 1;
      if (content === '') return;
      text += content;
      ends.push(text.length);
    },
    tokensUpTo: (length) => (length === 0 ? 0 : reasoningTokens + ends.filter((end) => end <= length).length),
  };
}

/** What one chunk of a choice says. */
interface Piece {
  delta: Delta;
  logprobs?: ChoiceLogprobs | undefined;
  finish?: FinishReason;
}

/** Tool calls are handed over whole, with the finish behind them. */
function finishing(toolCalls: readonly ToolCall[], choice: number, finish: FinishReason): Piece[] {
  // Sparse where an endpoint left out an index.
  const calls = toolCalls.filter(Boolean);
  if (calls.length === 0) return [{ delta: {}, finish }];
  const deltas = calls.map((call, i) => ({ index: i, ...call, id: call.id || `call_${choice}_${i}` }));
  // Some endpoints just say that they came to the end.
  const reason = finish === 'stop' ? 'tool_calls' : finish;
  return [{ delta: { tool_calls: deltas } }, { delta: {}, finish: reason }];
}

const NOTHING_HELD = { heldContent: '', heldReasoning: '' };

function newChoice(): Choice {
  return { isOpen: false, isFinished: false, ...NOTHING_HELD, toolCalls: [] };
}

function headOf(wire: Partial<WireChunk>, fallback: AnswerOptions['fallback']): Head {
  return {
    id: wire.id ?? fallback.id,
    created: wire.created ?? fallback.created,
    model: wire.model ?? fallback.model,
    system_fingerprint: wire.fingerprint ?? fallback.fingerprint,
  };
}

function emptyChunk({ id, ...head }: Head): ChatCompletionChunk {
  return { id, object: 'chat.completion.chunk', ...head, choices: [] };
}

function chunkOf(head: Head, index: number, { delta, logprobs, finish }: Piece): ChatCompletionChunk {
  const choice = { index, delta, logprobs: logprobs ?? null, finish_reason: finish ?? null };
  return { ...emptyChunk(head), choices: [choice] };
}

/** Of the last part, to whose prompt the beginning of the answer belonged. */
function usageOfAll(usage: Usage, givenTokens: number): Usage {
  const moved = Math.min(givenTokens, usage.prompt_tokens);
  return {
    ...usage,
    prompt_tokens: usage.prompt_tokens - moved,
    completion_tokens: usage.completion_tokens + moved,
  };
}

/** The text with what was held of it, less what has to be held now: the first half of a surrogate pair. */
function whole(
  choice: Choice,
  field: 'heldContent' | 'heldReasoning',
  added: string,
  finish: FinishReason | undefined,
): string {
  const text = choice[field] + added;
  const end = text.charCodeAt(text.length - 1);
  const endsInHalf = end >= 0xd800 && end < 0xdc00;
  choice[field] = endsInHalf && finish === undefined ? text.slice(-1) : '';
  if (!endsInHalf) return text;
  return finish === undefined ? text.slice(0, -1) : `${text.slice(0, -1)}\ufffd`;
}

function addToolCall(calls: ToolCall[], { index, id, function: piece }: ToolCallDelta): void {
  const call = (calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
  if (id) call.id = id;
  if (piece?.name) call.function.name = piece.name;
  call.function.arguments += piece?.arguments ?? '';
}
