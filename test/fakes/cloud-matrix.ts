/**
 * One run of the fault matrix: a scripted answer, faults in the way, and a plan of who may go on when it breaks off. What
 * is lost or doubled of it is counted.
 */
import { createInProcessCloud } from '../../e2e/fixtures/cloud/in-process.ts';
import { scriptedReply, tokensOf } from '../../e2e/fixtures/cloud/scripted-model.mjs';
import { eventsOf } from '../../e2e/fixtures/cloud/wire.mjs';
import type { Fault } from '../../e2e/fixtures/cloud/wire.mjs';
import type { ChatCompletionChunk, ChatCompletionParams } from '../../src/client/types.ts';
import { SelvedgeError } from '../../src/errors.ts';
import { createCloudProvider } from '../../src/provider/cloud.ts';
import { chatBody } from '../../src/provider/cloud-body.ts';
import { chatInOrder } from '../../src/provider/cloud-order.ts';
import type { ContinueLocally } from '../../src/provider/cloud-order.ts';
import type { ProviderEvent } from '../../src/provider/provider.ts';
import { collect, cover, endpointOf, saying } from './cloud-requests.ts';
import type { Collected } from './cloud-requests.ts';
import { createVirtualClock } from './virtual-clock.ts';

/** Letters of several bytes, of two UTF-16 units, runs of spaces, a word of several tokens. */
export const MATRIX_TEXT = 'Ünal said:  “no ship”  🔦 \n\n- extraordinarily dark';
export const matrixRequest = saying(MATRIX_TEXT);

/** Who goes on: the endpoint from a beginning, the model in this browser, nobody. */
export type Plan = 'prefix' | 'local' | 'forbidden';
export const PLANS: readonly Plan[] = ['prefix', 'local', 'forbidden'];

export interface MatrixRun extends Collected {
  events: ProviderEvent[];
  requests: number;
  /** What it took on the clock of the run; without faults nothing. */
  ms: number;
}

export async function runMatrix(
  plan: Plan,
  faults: Fault[],
  request: ChatCompletionParams = matrixRequest,
): Promise<MatrixRun> {
  const clock = createVirtualClock();
  const cloud = createInProcessCloud({ clock });
  const endpoint = endpointOf(plan === 'prefix' ? {} : { continuation: null });
  const provider = createCloudProvider(endpoint, { send: cloud.send, clock, random: () => 0.5 });
  cloud.failNext(...faults);
  const events: ProviderEvent[] = [];
  const before = clock.now();
  const collected = await collect(
    chatInOrder({
      providers: [provider],
      request,
      options: { cover, trace: (event) => events.push(event) },
      ...(plan === 'local' ? { continueLocally: scriptedLocally(request) } : {}),
    }),
  );
  return { ...collected, events, requests: cloud.received.length, ms: clock.now() - before };
}

/** What is wrong with how a run ended; undefined: the answer is whole, or failed and says how far it came. */
export function lossOf(
  plan: Plan,
  { text, error, finishes }: MatrixRun,
  whole = MATRIX_TEXT,
): string | undefined {
  if (error === undefined) {
    if (text !== whole) return `the answer is ${JSON.stringify(text)}`;
    return finishes.length === 1 ? undefined : `it finished ${finishes.length} times`;
  }
  if (plan !== 'forbidden') return `it failed: ${String(error)}`;
  const isTold =
    error instanceof SelvedgeError && error.code === 'cloud_failed' && error.details['partial'] === text;
  if (!isTold) return `it failed with ${String(error)}`;
  return text !== '' && whole.startsWith(text) ? undefined : `the partial answer is ${JSON.stringify(text)}`;
}

/** The scripted model in the place of the one in this browser. */
function scriptedLocally(request: ChatCompletionParams): ContinueLocally {
  return async function* (prefix) {
    const messages = [...request.messages, { role: 'assistant' as const, content: prefix }];
    const { tokens } = scriptedReply({ messages, continue_final_message: true });
    for (const token of tokens) yield localChunk(token);
    yield localChunk('', 'stop');
  };
}

function localChunk(content: string, finish: 'stop' | null = null): ChatCompletionChunk {
  return {
    id: 'local-1',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'local',
    system_fingerprint: '',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finish }],
  };
}

/** What the endpoint sends for a request; between the two ends an answer has begun and is not finished. */
export function sentFor(request: ChatCompletionParams): {
  eventCount: number;
  byteCount: number;
  firstTokenEnd: number;
  finishEnd: number;
} {
  const body: unknown = JSON.parse(chatBody(request, endpointOf(), { prefix: '', maxTokens: null }));
  const events = eventsOf(body, scriptedReply(body));
  const bytesOf = (count: number): number =>
    events.slice(0, count).reduce((sum, { length }) => sum + length, 0);
  return {
    eventCount: events.length,
    byteCount: bytesOf(events.length),
    firstTokenEnd: bytesOf(2),
    finishEnd: bytesOf(2 + tokensOf(MATRIX_TEXT).length),
  };
}
