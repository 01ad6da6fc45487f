/**
 * From a source to a model that is ready, with the model that drafts for it where one is asked for. Whatever can be
 * refused is refused when the headers are read, the draft's first, before weights are fetched or memory is taken. On any
 * error nothing stays allocated.
 */
import type { OpenSink } from '../backend/ladder/one-layer.ts';
import type { Placement } from '../backend/ladder/place.ts';
import type { ModelPlan, Session, WeightSink } from '../backend/session.ts';
import { createWasmSink, measureReadSpeed } from '../backend/wasm/index.ts';
import { planModel } from '../model/architectures.ts';
import { createChatTemplate } from '../model/chat-template.ts';
import type { ChatTemplate, TemplateMessage } from '../model/chat-template.ts';
import type { GgufHeader } from '../model/gguf.ts';
import { requireSameTokens } from '../model/same-tokens.ts';
import { TextStream } from '../model/text-stream.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { SelvedgeError, assert } from '../errors.ts';
import type {
  Capabilities,
  ChatMessage,
  LoadRequest,
  ModelFacts,
  ModelInspection,
  ModelRequest,
} from '../rpc/protocol.ts';
import type { ModelFile, ModelSource, ModelStore, OpenOptions } from '../storage/model-file.ts';
import { openOutputStore } from '../storage/idb-outputs.ts';
import { openPrefixStore } from '../storage/idb-prefixes.ts';
import { openContentKeys } from '../storage/opfs-keys.ts';
import { createModelStore } from '../storage/weights.ts';
import { readCapabilities } from './capabilities.ts';
import { inspectModel } from './inspect.ts';
import type { MeasureReading } from './inspect.ts';
import type { ContentParts } from './kept-content.ts';
import type { DraftModel, LoadCall, LoadedModel } from './loaded-model.ts';
import { parameterCountOf, quantisationOf } from './model-facts.ts';
import { planLoad, requireMemory } from './memory.ts';
import type { MemoryPlan } from './memory.ts';
import { choosePlacement, onCpu } from './placement.ts';
import type { PlacementParts } from './placement.ts';
import { readModelHeader, streamWeights, withModelFile } from './weight-stream.ts';

export type CreateSink = OpenSink;

export interface ModelLoader extends ContentParts {
  store: ModelStore;
  inspectModel(request: ModelRequest): Promise<ModelInspection>;
  readCapabilities(): Promise<Capabilities>;
  loadModel(request: LoadRequest, call: LoadCall): Promise<LoadedModel>;
}

export interface LoaderParts extends Partial<Pick<PlacementParts, 'gpu' | 'loadWebGpu'>> {
  measureReading?: MeasureReading;
}

export function createModelLoader(
  store: ModelStore = createModelStore(),
  createSink: CreateSink = createWasmSink,
  {
    measureReading = measureReadSpeed,
    gpu,
    loadWebGpu = () => Promise.reject(new Error('no module for GPUs')),
  }: LoaderParts = {},
): ModelLoader {
  return {
    store,
    inspectModel: (request) => inspectModel(store, request, measureReading),
    readCapabilities: () => readCapabilities(),
    openKeys: openContentKeys,
    openPrefixes: openPrefixStore,
    openOutputs: openOutputStore,
    async loadModel(request, call) {
      const open = opening(call, request.source.id, { before: 0, bytes: 0 });
      const parts = { store, createCpuSink: createSink, loadWebGpu, ...(gpu === undefined ? {} : { gpu }) };
      const placement = await choosePlacement(request, { open, cpuBecause: call.cpuBecause }, parts);
      try {
        return await loadAt(placement, { ...request, store, call });
      } catch (error) {
        placement.close();
        if (request.device !== 'auto' || placement.device === 'cpu' || !isForCpu(error)) throw error;
        const why = `${placement.why} But the GPU failed: ${error.message}`;
        return await loadAt(onCpu(createSink, why), { ...request, store, call });
      }
    },
  };
}

/** What a GPU may lack, or lose, and the CPU need not. */
function isForCpu(error: unknown): error is SelvedgeError {
  const codes = ['out_of_memory', 'device_lost', 'unsupported_device', 'unsupported_model'];
  return error instanceof SelvedgeError && codes.includes(error.code);
}

async function loadAt(placement: Placement, request: Omit<Loading, 'placement'>): Promise<LoadedModel> {
  const loading: Loading = { ...request, placement };
  const { draft, call, source } = loading;
  const head = draft ? await readDraftHead(loading, draft) : undefined;
  const { model, header, memory } = await loadTarget(loading, head);
  let { byteLength } = model.info;
  if (draft) {
    try {
      model.draft = await loadDraft(loading, draft, { header, memory, byteLength });
      byteLength += model.draft.info.byteLength;
    } catch (error) {
      model.session.dispose();
      throw error;
    }
  }
  const done = { loadedBytes: byteLength, totalBytes: byteLength, bytesPerSecond: 0 };
  call.onProgress?.({ model: source.id, phase: 'ready', ...done });
  return model;
}

interface Loading extends LoadRequest {
  store: ModelStore;
  placement: Placement;
  call: LoadCall;
}

/** What can be told of a draft from its header. */
interface DraftHead {
  header: GgufHeader;
  plan: ModelPlan;
  byteLength: number;
}

function readDraftHead({ store, call: { signal } }: Loading, source: ModelSource): Promise<DraftHead> {
  const open = signal ? { signal } : {};
  return withModelFile(store, source, open, async (file) => {
    const header = await readModelHeader(file, open);
    return { header, plan: planModel(header), byteLength: file.byteLength };
  });
}

/** Progress is that of all files together: those of `others` have so many bytes, `before` of them loaded. */
function opening(
  { signal, onProgress }: LoadCall,
  model: string,
  others: { before: number; bytes: number },
): OpenOptions {
  return {
    ...(signal ? { signal } : {}),
    ...(onProgress
      ? {
          onProgress: ({ loadedBytes, totalBytes, ...progress }) =>
            onProgress({
              ...progress,
              model,
              loadedBytes: others.before + loadedBytes,
              totalBytes: others.bytes + totalBytes,
            }),
        }
      : {}),
  };
}

/** What the header gives. */
interface Opened {
  header: GgufHeader;
  plan: ModelPlan;
  tokenizer: Tokenizer;
  template: ChatTemplate;
  memory: MemoryPlan;
  sink: WeightSink;
}

function loadTarget(
  loading: Loading,
  draft: DraftHead | undefined,
): Promise<Pick<Opened, 'header' | 'memory'> & { model: LoadedModel }> {
  const { source, store, call } = loading;
  const open = opening(call, source.id, { before: 0, bytes: draft?.byteLength ?? 0 });
  return withModelFile(store, source, open, async (file) => {
    const opened = await streamWeights(file, open, (header) => openHeader(header, loading, draft));
    return { ...opened, model: describe(file, opened, loading.placement) };
  });
}

async function openHeader(
  header: GgufHeader,
  { source, draft: draftSource, options, placement }: Loading,
  draft: DraftHead | undefined,
): Promise<Opened> {
  const plan = planModel(header);
  const tokenizer = createTokenizer(header);
  const template = createChatTemplate(header, tokenizer);
  if (draft && draftSource) {
    requireSameTokens(header, draft.header, { target: source.id, draft: draftSource.id });
  }
  const memory = planLoad(plan, options, { draft: draft?.plan });
  requireMemory(memory);
  const sink = await placement.createSink(plan, { ...options, contextLength: memory.contextLength });
  return { header, plan, tokenizer, template, memory, sink };
}

function loadDraft(
  { source: target, options, store, placement, call }: Loading,
  source: ModelSource,
  { header: targetHeader, memory, byteLength }: Pick<Opened, 'header' | 'memory'> & { byteLength: number },
): Promise<DraftModel> {
  const open = opening(call, source.id, { before: byteLength, bytes: byteLength });
  return withModelFile(store, source, open, async (file) => {
    const { session, ...opened } = await streamWeights(file, open, async (header) => {
      const plan = planModel(header);
      // The file may have changed since its header was read.
      const vocabSize = requireSameTokens(targetHeader, header, { target: target.id, draft: source.id });
      assert(memory.draft, 'memory is planned for the draft');
      const { contextLength } = memory.draft;
      return {
        header,
        plan,
        vocabSize,
        sink: await placement.createSink(plan, { ...options, contextLength }),
      };
    });
    return { info: factsOf(file, opened), session, vocabSize: opened.vocabSize };
  });
}

function describe(
  file: ModelFile,
  streamed: Opened & { session: Session },
  { adapter, why }: Placement,
): LoadedModel {
  const { plan, tokenizer, template, session } = streamed;
  const { bosId, addBos } = tokenizer;
  return {
    info: { ...factsOf(file, streamed), chatTemplate: template.name },
    session,
    placement: { adapter, why },
    kvIdentity: JSON.stringify([file.identity(), plan.shape]),
    endTokens: tokenizer.endTokens,
    encode: (text, options) => tokenizer.encode(text, options),
    encodePrompt(text) {
      const ids = tokenizer.encode(text, { parseSpecial: true });
      return addBos && bosId !== undefined && ids[0] !== bosId ? [bosId, ...ids] : ids;
    },
    decode: (ids) => tokenizer.detokenize(ids),
    tokenBytes: (id) => tokenizer.tokenBytes(id),
    renderChat: (messages, variables, beginning) =>
      template.renderToIds(messages.map(toTemplateMessage), { variables, beginning }),
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

function factsOf(file: ModelFile, { header, plan }: Pick<Opened, 'header' | 'plan'>): ModelFacts {
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
  };
}
