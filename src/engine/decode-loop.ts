/**
 * The decode loop, the only one. The prompt goes through in blocks, its last row gives the first pick of every
 * choice; then each step feeds the last pick and takes the next. Plain decoding is speculation with an empty
 * draft: a drafter's tokens would go behind the fed one, with one pick request for each row.
 *
 * It knows tokens and nothing of text, messages or clocks. Per token it allocates nothing but the pick.
 */
import type { Pick, PickRequest, Sampling, Session } from '../backend/session.ts';
import { SelvedgeError, assert } from '../errors.ts';
import type { FinishReason } from '../rpc/protocol.ts';
import type { Conversation } from './conversations.ts';

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
  /** After each step of one choice. */
  stepEnd(choice: number): void;
}

const NO_PICKS: readonly PickRequest[] = [];

export async function decode(job: DecodeJob, listener: DecodeListener): Promise<void> {
  const firstPicks = await prefill(job);
  listener.prefillEnd();
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
  const { session, conversation, maxTokens } = job;
  const settings = job.choices[choice];
  assert(settings, 'the choice has its settings');
  const { sampling, output } = settings;
  const requests: readonly PickRequest[] = [{ row: 0, sampling }];
  const ids = new Int32Array(1);
  let pick = first;
  for (let count = 1; ; count++) {
    const { id } = pick;
    output?.set(id, (output.get(id) ?? 0) + 1);
    if (listener.token(choice, pick)) return 'stop';
    if (count >= maxTokens) return 'length';
    await job.pause();
    ids[0] = id;
    const picks = await stepWithRoom(session, ids, conversation, requests, job.makeRoom);
    conversation.ids.push(id);
    const next = picks[0];
    assert(next, 'a step gives the pick it was asked for');
    pick = next;
    listener.stepEnd(choice);
  }
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
      const isFull = error instanceof SelvedgeError && error.code === 'out_of_memory';
      if (!isFull || !makeRoom()) throw error;
    }
  }
}

function rewind({ cache, ids }: Conversation, length: number): void {
  cache.rewind(length);
  ids.length = length;
}
