/**
 * One request from its prompt to its `end` message: takes a conversation, runs the decode loop, and decides
 * when what has gathered is worth a message. The first text goes out at once, then after 8 tokens or 16 ms,
 * whichever is first; what a choice ends with goes out with its end.
 */
import type { Sampling } from '../backend/session.ts';
import type {
  ChoiceDelta,
  GenerateRequest,
  GenerationMessage,
  GenerationTimings,
  SpeculationCounts,
} from '../rpc/protocol.ts';
import type { Breath } from './breath.ts';
import { createChoiceOutput } from './choice-output.ts';
import type { OutputOptions } from './choice-output.ts';
import type { Conversation, Conversations } from './conversations.ts';
import { decode } from './decode-loop.ts';
import type { DecodeChoice, DecodeListener } from './decode-loop.ts';
import type { EventLog } from './events.ts';
import type { KeptOutputs } from './kept-outputs.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { Prefixes } from './prefixes.ts';
import type { PreparedPrompt } from './prompt.ts';
import type { Speculation } from './speculation.ts';

const MESSAGE_TOKENS = 8;
const MESSAGE_INTERVAL_MS = 16;
const NO_SPECULATION: SpeculationCounts = { drafted: 0, accepted: 0, gainedMs: 0, byDrafter: {} };
/** Enough for a tag of several tokens and a line end. */
const PROMPT_END_TOKENS = 16;

export interface GenerationJob {
  /** The engine's number for it, for events. */
  number: number;
  request: GenerateRequest;
  prompt: PreparedPrompt;
  seed: number;
  model: LoadedModel;
  conversations: Conversations;
  prefixes: Prefixes;
  outputs: KeptOutputs;
  /** Undefined where nothing is guessed. */
  speculation: Speculation | undefined;
  breath: Breath;
  events: EventLog;
  now: () => number;
  post: (message: GenerationMessage) => void;
}

/** Counted as it goes, so that the request's last event has them whatever the outcome. */
export interface GenerationCounts {
  steps: number;
  predictedTokens: number;
  messages: number;
}

export async function runGeneration(job: GenerationJob, counts: GenerationCounts): Promise<void> {
  const { conversations, prefixes, prompt, speculation } = job;
  const conversation = conversations.acquire(prompt.ids);
  /** Tokens by choice. */
  const answers: number[][] = [];
  try {
    const end = await run(job, conversation, { counts, answers });
    counts.messages += 1;
    job.post({ type: 'end', ...end });
  } finally {
    keepAnswers(job, conversation, answers);
    // Ids are added after a step succeeded: equal lengths mean that the cache holds what its ids say.
    if (conversation.ids.length === conversation.cache.length) {
      conversations.release(conversation, prompt.ids.length);
      if (conversation.ids.length >= prompt.ids.length) prefixes.keep(conversation, prompt.ids.length);
    } else {
      conversations.discard(conversation);
    }
    speculation?.rest();
  }
}

/** What follows a secret may tell it. */
function keepAnswers(
  { outputs, request }: GenerationJob,
  { secretFrom }: Conversation,
  answers: readonly number[][],
): void {
  const privacy = secretFrom === Infinity ? request.privacy : 'secret';
  for (const ids of answers) outputs.add(ids, privacy);
}

interface Gathered {
  counts: GenerationCounts;
  answers: number[][];
}

async function run(
  job: GenerationJob,
  conversation: Conversation,
  gathered: Gathered,
): Promise<{ deltas: ChoiceDelta[]; timings: GenerationTimings }> {
  const { model, prompt, conversations, prefixes, breath, now, request, speculation } = job;
  const { counts } = gathered;
  const restoreMs = await restore(job, conversation);
  const cachedTokens = conversation.ids.length;
  speculation?.follow(conversation.cache);
  const start = now();
  const listener = createListener(job, gathered, { start, cachedTokens });
  await decode(
    {
      session: model.session,
      conversation,
      prompt: prompt.ids,
      choices: choicesOf(request, prompt.ids, job.seed),
      maxTokens: prompt.maxTokens,
      pause: () => breath.take(),
      guesser: speculation?.speculator,
      makeRoom: () => prefixes.makeRoom() || conversations.evict(conversation),
    },
    listener,
  );
  prefixes.observePrefill(prompt.ids.length - cachedTokens, listener.prefilledAt() - start);
  const timings = {
    promptTokens: prompt.ids.length,
    cachedTokens,
    restoreMs,
    promptMs: listener.prefilledAt() - start,
    predictedTokens: counts.predictedTokens,
    reasoningTokens: listener.reasoningTokens(),
    predictedMs: now() - listener.prefilledAt(),
    speculation: speculation?.speculator.counts() ?? NO_SPECULATION,
  };
  return { deltas: listener.rest(), timings };
}

/** What the store has of the prompt and the conversation has not. */
async function restore(job: GenerationJob, conversation: Conversation): Promise<number> {
  const { prefixes, prompt, breath, events, request, number } = job;
  const { ms, ...restored } = await prefixes.restore(conversation, prompt.ids, () => breath.take());
  if (restored.tokens > 0) events.emit({ type: 'prefix-restore', request: number, ...restored, ms });
  if (request.privacy === 'secret') {
    conversation.secretFrom = Math.min(conversation.secretFrom, conversation.ids.length);
  }
  return ms;
}

interface GenerationListener extends DecodeListener {
  prefilledAt(): number;
  reasoningTokens(): number;
  /** What was not posted yet. */
  rest(): ChoiceDelta[];
}

function createListener(
  job: GenerationJob,
  { counts, answers }: Gathered,
  prefill: { start: number; cachedTokens: number },
): GenerationListener {
  const { model, request, prompt, events, now, number } = job;
  const reasoning = reasoningOf(request, prompt, model);
  const open = (choice: number): ReturnType<typeof createChoiceOutput> =>
    createChoiceOutput({
      choice,
      model,
      stop: request.stop,
      reasoning,
      withLogprobs: request.topLogprobs !== null,
    });
  let output = open(0);
  let pending: ChoiceDelta[] = [];
  let prefilledAt = 0;
  let tokensGathered = 0;
  let reasoningTokens = 0;
  let lastPost = -Infinity;

  function gather(): void {
    const delta = output.take();
    if (delta) pending.push(delta);
  }

  function postGathered(): void {
    gather();
    if (pending.length === 0) return;
    counts.messages += 1;
    job.post({ type: 'chunk', deltas: pending });
    pending = [];
    tokensGathered = 0;
    lastPost = now();
    events.flush();
  }

  return {
    prefillEnd() {
      prefilledAt = now();
      const { cachedTokens, start } = prefill;
      const promptTokens = prompt.ids.length;
      const ms = prefilledAt - start;
      events.emit({ type: 'prefill-end', request: number, promptTokens, cachedTokens, ms });
    },
    token(choice, pick) {
      counts.predictedTokens += 1;
      (answers[choice] ??= []).push(pick.id);
      tokensGathered += 1;
      const isEnd = output.push(pick);
      const isDue = tokensGathered >= MESSAGE_TOKENS || now() - lastPost >= MESSAGE_INTERVAL_MS;
      if (request.stream && isDue && !isEnd) postGathered();
      return isEnd;
    },
    choiceEnd(choice, finish) {
      output.finish(finish);
      gather();
      reasoningTokens += output.reasoningTokens();
      if (choice + 1 === request.choiceCount) return;
      if (request.stream) postGathered();
      output = open(choice + 1);
    },
    stepEnd(choice, idCount, acceptedCount) {
      counts.steps += 1;
      if (!events.watched) return;
      const position = prompt.ids.length + counts.predictedTokens;
      const drafter = job.speculation?.speculator.lastDrafter ?? null;
      events.emit({ type: 'step', request: number, choice, idCount, acceptedCount, drafter, position });
    },
    prefilledAt: () => prefilledAt,
    reasoningTokens: () => reasoningTokens,
    rest: () => pending,
  };
}

/**
 * Raw prompts, and answers that were begun, are continued as they are. The prompt of a chat may end with the tag that opens
 * the thinking.
 */
function reasoningOf(
  { prompt }: GenerateRequest,
  { ids }: PreparedPrompt,
  { reasoning: tags, decode: toText }: LoadedModel,
): OutputOptions['reasoning'] {
  if (prompt.kind !== 'chat' || prompt.beginning || !tags) return { tags: undefined, isOpen: false };
  return { tags, isOpen: toText(ids.slice(-PROMPT_END_TOKENS)).trimEnd().endsWith(tags.open) };
}

/** The choices share the prompt's set, and each counts its own output. */
function choicesOf(request: GenerateRequest, promptIds: readonly number[], seed: number): DecodeChoice[] {
  const { bias, seed: _asked, ...settings } = request.sampling;
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = settings;
  const hasPenalties = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  const prompt = new Set(hasPenalties ? promptIds : []);
  const shared = {
    ...settings,
    ...(bias.length > 0 ? { bias: new Map(bias) } : {}),
    seed,
    statistics: request.topLogprobs !== null,
    topCount: request.topLogprobs ?? 0,
  };
  return Array.from({ length: request.choiceCount }, (_, choice) => {
    const sampling: Sampling = { ...shared, choice };
    if (!hasPenalties) return { sampling, output: undefined };
    const output = new Map<number, number>();
    return { sampling: { ...sampling, seen: { prompt, output } }, output };
  });
}
