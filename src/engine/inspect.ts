/**
 * Looks at a model without loading it: reads the header of the file and nothing more, and says what it is, whether it
 * fits and how fast it is likely to be, or why it cannot be run. What is not a model at all is an error.
 */
import { SelvedgeError } from '../errors.ts';
import type { ModelPlan } from '../backend/session.ts';
import { bytesPerToken } from '../backend/wasm/memory-plan.ts';
import { planModel } from '../model/architectures.ts';
import { createChatTemplate } from '../model/chat-template.ts';
import { GgufHeaderReader } from '../model/gguf.ts';
import type { GgufHeader } from '../model/gguf.ts';
import { joinParts, partCount } from '../model/gguf-parts.ts';
import type { PartHeader } from '../model/gguf-parts.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { LoadOptions, ModelRequest, ModelInspection } from '../rpc/protocol.ts';
import type { FileStart, ModelSource, ModelStore } from '../storage/model-file.ts';
import { planLoad } from './memory.ts';
import { namedFiles, partSources } from './model-parts.ts';
import { bytesByType, parameterCountOf, quantisationOf } from './model-facts.ts';

/** Bytes per second that a step on this many threads reads; undefined where it cannot be measured. */
export type MeasureReading = (threads: LoadOptions['threads']) => Promise<number | undefined>;

/** Where in a context a typical token is. */
const TYPICAL_POSITION = 512;
const KINDS_UNKNOWN = {
  name: null,
  architecture: null,
  quantisation: null,
  tensorTypes: {},
  parameterCount: null,
  vocabSize: null,
  trainedContextLength: null,
  hasChatTemplate: false,
  memory: null,
  speed: null,
};

export async function inspectModel(
  store: ModelStore,
  { source, options }: ModelRequest,
  measureReading: MeasureReading,
): Promise<ModelInspection> {
  const { header, headerBytes, byteLength, reason } = await readHeaders(store, source);
  const base = { ...KINDS_UNKNOWN, id: source.id, byteLength, headerBytes };
  if (!header) return { ...base, isSupported: false, reason };
  const facts = { ...base, ...factsOf(header) };
  try {
    const plan = planModel(header);
    createChatTemplate(header, createTokenizer(header));
    const { contextLength, fits, longestContext, availableBytes, needed } = planLoad(plan, options);
    const { totalBytes: neededBytes, weightBytes, kvBytes } = needed;
    return {
      ...facts,
      isSupported: true,
      reason: null,
      memory: { fits, contextLength, longestContext, neededBytes, weightBytes, kvBytes, availableBytes },
      speed: fits ? speedOf(plan, options, await measureReading(options.threads)) : null,
    };
  } catch (error) {
    return { ...facts, isSupported: false, reason: refusalOf(error) };
  }
}

interface HeaderRead {
  header?: GgufHeader;
  headerBytes: number;
  /** Of the whole file. */
  byteLength: number;
  /** Why there is no header, of a file that is one. */
  reason: string | null;
}

/** Of all files of a model, as one. */
async function readHeaders(store: ModelStore, source: ModelSource): Promise<HeaderRead> {
  const first = await readHeader(await store.openStart(namedFiles(source)[0]));
  if (!first.header) return first;
  let { headerBytes, byteLength } = first;
  try {
    const parts: PartHeader[] = [{ header: first.header, byteLength }];
    for (const part of partSources(source, partCount(first.header)).slice(1)) {
      const { header, ...more } = await readHeader(await store.openStart(part));
      headerBytes += more.headerBytes;
      byteLength += more.byteLength;
      if (!header) return { headerBytes, byteLength, reason: more.reason };
      parts.push({ header, byteLength: more.byteLength });
    }
    return { header: joinParts(parts), headerBytes, byteLength, reason: null };
  } catch (error) {
    return { headerBytes, byteLength, reason: refusalOf(error) };
  }
}

async function readHeader(start: FileStart): Promise<HeaderRead> {
  const { byteLength } = start;
  const reader = new GgufHeaderReader(byteLength);
  let headerBytes = 0;
  for await (const bytes of start.read()) {
    headerBytes += bytes.length;
    try {
      const header = reader.push(bytes);
      if (header) return { header, headerBytes, byteLength, reason: null };
    } catch (error) {
      return { headerBytes, byteLength, reason: refusalOf(error) };
    }
  }
  return reader.end();
}

/** Why a model is not supported. Whatever else is wrong is thrown. */
function refusalOf(error: unknown): string {
  if (error instanceof SelvedgeError && error.code === 'unsupported_model') return error.message;
  throw error;
}

/** As the file states it, whether or not this library can run it. */
function factsOf({ metadata, tensors }: GgufHeader): Partial<ModelInspection> {
  const stringOf = (key: string): string | null => {
    const value = metadata.get(key);
    return typeof value === 'string' ? value : null;
  };
  const architecture = stringOf('general.architecture');
  const trained = metadata.get(`${architecture}.context_length`);
  const tokens = metadata.get('tokenizer.ggml.tokens');
  return {
    name: stringOf('general.name'),
    architecture,
    quantisation: quantisationOf(tensors),
    tensorTypes: Object.fromEntries(bytesByType(tensors, true)),
    parameterCount: parameterCountOf(tensors),
    vocabSize: Array.isArray(tokens) ? tokens.length : null,
    trainedContextLength: typeof trained === 'number' ? trained : null,
    hasChatTemplate: metadata.has('tokenizer.chat_template'),
  };
}

function speedOf(
  plan: ModelPlan,
  { kv }: LoadOptions,
  bytesPerSecond: number | undefined,
): ModelInspection['speed'] {
  if (bytesPerSecond === undefined) return null;
  const bytes = bytesPerToken(plan, kv, TYPICAL_POSITION);
  return { tokensPerSecond: bytesPerSecond / bytes, bytesPerToken: bytes, bytesPerSecond };
}
