/**
 * The decode loop, the only one. The prompt goes through in blocks, its last row gives the first pick of every
 * choice; then each step feeds the last pick, and behind it what was guessed, and takes one pick for each row. Guesses that
 * equal the picks before them are right, and so are the picks of their rows; what was fed beyond them is taken back. Plain
 * decoding is a step without a guess. Picks depend on seed, choice, position and the tokens before, never on what was fed
 * together, so the tokens are the same whatever is guessed.
 *
 * It knows tokens and nothing of text, messages or clocks. Per token it allocates nothing but the pick.
 */
import type { Pick, PickRequest, Sampling, Session } from '../backend/session.ts';
import { SelvedgeError, assert } from '../errors.ts';
import type { FinishReason } from '../rpc/protocol.ts';
import type { Conversation } from './conversations.ts';
import { rowsOf } from './draft-rows.ts';

export interface DecodeJob {
  session: Session;
  conversation: Conversation;
  /** The conversation holds a beginning of it. */
  prompt: readonly number[];
  choices: readonly DecodeChoice[];
  /** Of each choice; prompt and answer fit the context. */
  maxTokens: number;
  /** Between two steps: throws to end the request. */
  pause(): Promise<void>;
  /** Memory is full: frees some that others hold. False when there is none. */
  makeRoom(): boolean;
  /** Undefined: every step is a plain one. */
  guesser: Guesser | undefined;
}

/** Guesses what comes, ahead of the session. */
export interface Guesser {
  /** The prompt is computed. */
  begin(prompt: readonly number[]): void;
  /** The sequence is the prompt and `first`. */
  beginChoice(sampling: Sampling, first: number): void;
  /** Before a step: at most `limit` tokens that may follow those so far. */
  draft(limit: number): Promise<ArrayLike<number>>;
  /** The step is done without the guess, for which there was no memory. */
  drop(): void;
  /** Right after a step: the tokens it gave, the right ones of the guess first. */
  settle(committed: readonly number[]): void;
}

export interface DecodeChoice {
  sampling: Sampling;
  /** Where penalties look (the sampling's `seen.output`): the loop counts each pick here. */
  output: Map<number, number> | undefined;
}

/** What the loop reports, in order. */
export interface DecodeListener {
  prefillEnd(): void;
  /** Returns true when the choice ends with this token. */
  token(choice: number, pick: Pick): boolean;
  choiceEnd(choice: number, finish: FinishReason): void;
  /** After each step of one choice, which fed `fed` ids and gave `given` tokens. */
  stepEnd(choice: number, fed: number, given: number): void;
}

const NO_PICKS: readonly PickRequest[] = [];
const NO_IDS: ArrayLike<number> = [];

export async function decode(job: DecodeJob, listener: DecodeListener): Promise<void> {
  const firstPicks = await prefill(job);
  listener.prefillEnd();
  job.guesser?.begin(job.prompt);
  for (let choice = 0; choice < job.choices.length; choice++) {
    const first = firstPicks[choice];
    assert(first, 'every choice has its first pick');
    if (choice > 0) rewind(job.conversation, job.prompt.length);
    const finish = await decodeChoice(job, choice, first, listener);
    listener.choiceEnd(choice, finish);
  }
}

/** Appends what the conversation lacks of the prompt. One pick for each choice, all from the last row. */
async function prefill({ session, conversation, prompt, choices, ...job }: DecodeJob): Promise<Pick[]> {
  const { maxBatch } = session.info();
  let picks: Pick[] = [];
  for (let start = conversation.ids.length; start < prompt.length; start += maxBatch) {
    await job.pause();
    const block = prompt.slice(start, start + maxBatch);
    const isLast = start + block.length === prompt.length;
    const requests = isLast ? choices.map(({ sampling }) => ({ row: block.length - 1, sampling })) : NO_PICKS;
    picks = await stepWithRoom(session, block, conversation, requests, job.makeRoom);
    for (const id of block) conversation.ids.push(id);
  }
  assert(picks.length === choices.length, 'the last prompt token is always computed');
  return picks;
}

async function decodeChoice(
  job: DecodeJob,
  choice: number,
  first: Pick,
  listener: DecodeListener,
): Promise<FinishReason> {
  const { conversation, maxTokens, guesser } = job;
  const settings = job.choices[choice];
  assert(settings, 'the choice has its settings');
  const { sampling, output } = settings;
  guesser?.beginChoice(sampling, first.id);
  let picks: readonly Pick[] = [first];
  let count = 0;
  for (;;) {
    // The cache holds all tokens but the last pick.
    const start = conversation.ids.length - picks.length + 1;
    let last = first.id;
    for (let i = 0; i < picks.length; i++) {
      const pick = picks[i];
      assert(pick, 'the pick is there');
      last = pick.id;
      count += 1;
      output?.set(last, (output.get(last) ?? 0) + 1);
      const finish = listener.token(choice, pick) ? 'stop' : count >= maxTokens ? 'length' : undefined;
      if (!finish) continue;
      if (i + 1 < picks.length) rewind(conversation, start + i);
      return finish;
    }
    await job.pause();
    const draft = (await guesser?.draft(maxTokens - count - 1)) ?? NO_IDS;
    const { fed, picks: all } = await stepAhead(job, last, draft, settings);
    picks = takeRight(conversation, fed, all);
    if (guesser) guesser.settle(picks.map(({ id }) => id));
    listener.stepEnd(choice, fed.length, picks.length);
  }
}

/** Feeds `last` and, if there is memory for it, `draft`. One pick for each of `fed`. */
async function stepAhead(
  job: DecodeJob,
  last: number,
  draft: ArrayLike<number>,
  { sampling, output }: DecodeChoice,
): Promise<{ fed: ArrayLike<number>; picks: Pick[] }> {
  const { session, conversation, makeRoom, guesser } = job;
  for (let fed = Int32Array.of(last, ...Array.from(draft)); ; fed = fed.slice(0, 1)) {
    try {
      const requests = rowsOf(sampling, output, fed);
      return { fed, picks: await stepWithRoom(session, fed, conversation, requests, makeRoom) };
    } catch (error) {
      if (!isFull(error) || fed.length === 1) throw error;
      guesser?.drop();
    }
  }
}

/** Notes in the conversation what of `fed` was right and takes the rest back. Returns the picks that follow right tokens. */
function takeRight(conversation: Conversation, fed: ArrayLike<number>, picks: readonly Pick[]): Pick[] {
  let right = 1;
  while (right < fed.length && fed[right] === picks[right - 1]?.id) right += 1;
  const { cache, ids } = conversation;
  for (let i = 0; i < right; i++) ids.push(fed[i]!);
  if (right < fed.length) cache.rewind(ids.length);
  return picks.slice(0, right);
}

/** A step that finds memory full leaves the cache as it was; with other conversations gone it may succeed. */
async function stepWithRoom(
  session: Session,
  ids: ArrayLike<number>,
  { cache }: Conversation,
  requests: readonly PickRequest[],
  makeRoom: () => boolean,
): Promise<Pick[]> {
  for (;;) {
    try {
      return await session.step(ids, cache, requests);
    } catch (error) {
      if (!isFull(error) || !makeRoom()) throw error;
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof SelvedgeError && error.code === 'out_of_memory';
}

function rewind({ cache, ids }: Conversation, length: number): void {
  cache.rewind(length);
  ids.length = length;
}
