/**
 * `create()` of chat and text completions: checks the parameters, starts the generation, and gives the answer as
 * one object or as a stream of chunks. Both kinds run through the same code; a `Shape` says how they look.
 */
import type { Connection } from '../rpc/connect.ts';
import type { GenerationStream } from '../rpc/generation-stream.ts';
import type { ChoiceDelta, EngineInfo, GenerationTimings } from '../rpc/protocol.ts';
import { assert } from '../errors.ts';
import { invalid, isAbsent, isRecord, show } from './checks.ts';
import { CompletionStream } from './completion-stream.ts';
import type { ReadRequest } from './parameters.ts';
import { timingsOf, usageOf } from './responses.ts';
import type { ResponseEnd, ResponseHead, Shape, WholeChoice } from './responses.ts';

export interface CompletionsParts<Chunk, Full> {
  connection: Connection;
  info: EngineInfo;
  shape: Shape<Chunk, Full>;
  read(params: unknown, options: unknown): ReadRequest;
}

/** Chunks as the union of both kinds sees them. */
interface AnyChunk {
  usage?: unknown;
  timings?: unknown;
  seed?: unknown;
}

export function createCompletions<Chunk extends AnyChunk, Full>(
  parts: CompletionsParts<Chunk, Full>,
): (params: unknown, options?: unknown) => Promise<Full | CompletionStream<Chunk>> {
  const { connection, info, shape, read } = parts;

  return async function create(params, options) {
    const { request, model, includeUsage } = read(params, options);
    checkModel(model, info.model.id);
    const stream = connection.generate(request, readSignal(options));
    const accepted = await stream.next();
    assert(accepted?.type === 'accepted', 'a generation begins with its acceptance');
    const head = createHead(shape.idPrefix, info);
    const context = {
      shape,
      head,
      seed: accepted.seed,
      choiceCount: request.choiceCount,
      withLogprobs: request.topLogprobs !== null,
    };
    if (!request.stream) return collect(stream, context);
    return new CompletionStream(chunks(stream, context, includeUsage), () => stream.cancel());
  };
}

interface Context<Chunk, Full> {
  shape: Shape<Chunk, Full>;
  head: ResponseHead;
  seed: number;
  choiceCount: number;
  withLogprobs: boolean;
}

async function* chunks<Chunk extends AnyChunk, Full>(
  stream: GenerationStream,
  context: Context<Chunk, Full>,
  includeUsage: boolean,
): AsyncGenerator<Chunk, void, undefined> {
  const { shape, head, choiceCount, withLogprobs, seed } = context;
  const usageSlot = includeUsage ? { usage: null } : {};
  const offsets: number[] = [];
  let end: GenerationTimings | undefined;

  try {
    while (!end) {
      const message = await stream.next();
      if (!message) return;
      assert(
        message.type !== 'accepted' && message.type !== 'error',
        'acceptance comes first, an error rejects',
      );
      if (message.type === 'end') end = message.timings;
      for (const delta of message.deltas) {
        const { choice, text } = delta;
        if (offsets[choice] === undefined) {
          offsets[choice] = 0;
          const opening = shape.opening(head, choice);
          if (opening) yield { ...opening, ...usageSlot };
        }
        const offset = offsets[choice];
        offsets[choice] = offset + text.length;
        for (const piece of splitDelta(delta)) {
          const isLast = end && piece.finish && choice === choiceCount - 1;
          const extras = isLast && end ? { timings: timingsOf(end, choiceCount), seed } : {};
          yield { ...shape.chunk(head, { delta: piece, withLogprobs, offset }), ...usageSlot, ...extras };
        }
      }
    }
    if (includeUsage) yield shape.usageChunk(head, usageOf(end));
  } finally {
    stream.cancel();
  }
}

/** What was thought, what is answered and a finish reason have a chunk each. */
function splitDelta(delta: ChoiceDelta): ChoiceDelta[] {
  const { reasoning, text, finish, logprobs } = delta;
  const parts: ChoiceDelta[] = [];
  if (reasoning !== '') parts.push({ ...delta, text: '', logprobs: [], finish: null });
  if (text !== '' || logprobs.length > 0) parts.push({ ...delta, reasoning: '', finish: null });
  if (finish !== null) parts.push({ ...delta, reasoning: '', text: '', logprobs: [] });
  return parts;
}

async function collect<Chunk, Full>(stream: GenerationStream, context: Context<Chunk, Full>): Promise<Full> {
  const { shape, head, seed, choiceCount, withLogprobs } = context;
  const message = await stream.next();
  assert(message?.type === 'end', 'without streaming everything comes with the end');
  const choices = message.deltas.map((delta): WholeChoice => {
    assert(delta.finish, 'a delta at the end is a whole choice');
    const { reasoning, text, logprobs, finish } = delta;
    return { reasoning, text, logprobs: withLogprobs ? logprobs : null, finish };
  });
  const end: ResponseEnd = {
    usage: usageOf(message.timings),
    timings: timingsOf(message.timings, choiceCount),
    seed,
  };
  return shape.full(head, choices, end);
}

function createHead(idPrefix: string, { model, device, simd, kv }: EngineInfo): ResponseHead {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return {
    id: idPrefix + Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    created: Math.floor(Date.now() / 1000),
    model: model.id,
    system_fingerprint: `selvedge-${device}-${simd}-${kv}`,
  };
}

function checkModel(asked: string | undefined, loaded: string): void {
  if (asked === undefined || asked === loaded) return;
  throw invalid('model', `is ${show(asked)}, but this client runs '${loaded}'. Name that, or leave it out.`);
}

export function readSignal(options: unknown): AbortSignal | undefined {
  const signal = isRecord(options) ? options['signal'] : undefined;
  if (isAbsent(signal)) return undefined;
  if (signal instanceof AbortSignal) return signal;
  throw invalid('options.signal', `is ${show(signal)}; give an AbortSignal.`);
}
