/**
 * From a source to a model that is ready: the bytes stream once, from the store through the header's reader into
 * the backend, which packs them as they come. Whatever can be refused is refused when the header is read, before
 * weights are fetched or memory is taken. On any error nothing stays allocated.
 */
import type { ModelPlan, Session, SessionOptions, WeightSink } from '../backend/session.ts';
import { createWasmSink, measureReadSpeed } from '../backend/wasm/index.ts';
import { planModel } from '../model/architectures.ts';
import { createChatTemplate } from '../model/chat-template.ts';
import type { ChatTemplate, TemplateMessage } from '../model/chat-template.ts';
import { GgufHeaderReader } from '../model/gguf.ts';
import type { GgufHeader } from '../model/gguf.ts';
import { TextStream } from '../model/text-stream.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { SelvedgeError, assert } from '../errors.ts';
import type {
  ChatMessage,
  LoadOptions,
  LoadRequest,
  ModelInfo,
  ModelInspection,
  ModelRequest,
} from '../rpc/protocol.ts';
import type { ModelFile, ModelStore, OpenOptions } from '../storage/model-file.ts';
import { openPrefixStore } from '../storage/idb-prefixes.ts';
import type { PrefixStore } from '../storage/prefix-store.ts';
import { createModelStore } from '../storage/weights.ts';
import { inspectModel } from './inspect.ts';
import type { MeasureReading } from './inspect.ts';
import type { LoadedModel } from './loaded-model.ts';
import { openParts } from './model-parts.ts';
import type { ModelParts } from './model-parts.ts';
import { parameterCountOf, quantisationOf } from './model-facts.ts';
import { planLoad, requireMemory } from './memory.ts';

export type CreateSink = (plan: ModelPlan, options: SessionOptions) => Promise<WeightSink>;

export interface ModelLoader {
  store: ModelStore;
  inspectModel(request: ModelRequest): Promise<ModelInspection>;
  openPrefixes(): Promise<PrefixStore | undefined>;
  loadModel(request: LoadRequest, options: OpenOptions): Promise<LoadedModel>;
}

export function createModelLoader(
  store: ModelStore = createModelStore(),
  createSink: CreateSink = createWasmSink,
  measureReading: MeasureReading = measureReadSpeed,
): ModelLoader {
  return {
    store,
    inspectModel: (request) => inspectModel(store, request, measureReading),
    openPrefixes: openPrefixStore,
    async loadModel({ source, options }, open) {
      const file = await openParts(store, source, open);
      try {
        const streamed = await stream(file, options, createSink, open);
        const { byteLength } = file;
        open.onProgress?.({
          phase: 'ready',
          loadedBytes: byteLength,
          totalBytes: byteLength,
          bytesPerSecond: 0,
        });
        return describe(file, streamed);
      } catch (error) {
        // Whether or not that succeeds, what went wrong first is what counts.
        if (isNoUse(error, file)) await file.discard().catch(() => undefined);
        throw error;
      } finally {
        await file.close();
      }
    },
  };
}

/**
 * Whether the stored bytes can never be loaded. A model of an unknown kind is another matter once all of it is
 * stored: a later version may run it.
 */
function isNoUse(error: unknown, { origin }: ModelFile): boolean {
  if (!(error instanceof SelvedgeError)) return false;
  return error.code === 'invalid_model' || (error.code === 'unsupported_model' && origin === 'network');
}

/** What the header gives. */
interface Opened {
  header: GgufHeader;
  plan: ModelPlan;
  tokenizer: Tokenizer;
  template: ChatTemplate;
  sink: WeightSink;
}

interface Streamed extends Opened {
  session: Session;
}

async function stream(
  file: ModelParts,
  options: LoadOptions,
  createSink: CreateSink,
  { signal, onProgress }: OpenOptions,
): Promise<Streamed> {
  const reader = new GgufHeaderReader(file.byteLength);
  let opened: Opened | undefined;
  try {
    for await (const { offset, bytes } of file.read()) {
      signal?.throwIfAborted();
      if (!opened) {
        const header = reader.push(bytes);
        if (!header) continue;
        opened = await openHeader(await file.wholeHeader(header), options, createSink);
      }
      const skipped = Math.max(0, opened.header.dataOffset - offset);
      if (skipped < bytes.length) opened.sink.write(offset + skipped, bytes.subarray(skipped));
    }
    if (!opened) return reader.end();
    const { byteLength } = file;
    onProgress?.({ phase: 'pack', loadedBytes: byteLength, totalBytes: byteLength, bytesPerSecond: 0 });
    const session = await opened.sink.finish();
    if (signal?.aborted) session.dispose();
    signal?.throwIfAborted();
    return { ...opened, session };
  } catch (error) {
    opened?.sink.abort();
    throw error;
  }
}

async function openHeader(header: GgufHeader, options: LoadOptions, createSink: CreateSink): Promise<Opened> {
  const plan = planModel(header);
  const tokenizer = createTokenizer(header);
  const template = createChatTemplate(header, tokenizer);
  const memory = planLoad(plan, options);
  requireMemory(memory);
  const sink = await createSink(plan, { ...options, contextLength: memory.contextLength });
  return { header, plan, tokenizer, template, sink };
}

function describe(file: ModelFile, streamed: Streamed): LoadedModel {
  const { plan, tokenizer, template, session } = streamed;
  const { bosId, addBos } = tokenizer;
  return {
    info: infoOf(file, streamed),
    session,
    kvIdentity: JSON.stringify([file.identity(), plan.shape]),
    endTokens: tokenizer.endTokens,
    encode: (text, options) => tokenizer.encode(text, options),
    encodePrompt(text) {
      const ids = tokenizer.encode(text, { parseSpecial: true });
      return addBos && bosId !== undefined && ids[0] !== bosId ? [bosId, ...ids] : ids;
    },
    decode: (ids) => tokenizer.detokenize(ids),
    tokenBytes: (id) => tokenizer.tokenBytes(id),
    renderChat: (messages, variables) => template.renderToIds(messages.map(toTemplateMessage), { variables }),
    reasoning: template.reasoning,
    openTextStream: (named) => new TextStream(tokenizer, { named }),
  };
}

/** Templates know OpenAI's names. */
function toTemplateMessage({ role, content, name, toolCallId, reasoning }: ChatMessage): TemplateMessage {
  return {
    role,
    content,
    ...(name === undefined ? {} : { name }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
  };
}

function infoOf(file: ModelFile, { header, plan, template }: Opened): ModelInfo {
  const { shape } = plan;
  const quantisation = quantisationOf(header.tensors);
  assert(quantisation !== null, 'a model has matrices');
  return {
    id: file.id,
    architecture: shape.architecture,
    quantisation,
    parameterCount: parameterCountOf(header.tensors),
    vocabSize: shape.vocabSize,
    trainedContextLength: shape.contextLength,
    byteLength: file.byteLength,
    origin: file.origin,
    isKept: file.kept,
    identity: file.identity(),
    chatTemplate: template.name,
  };
}
