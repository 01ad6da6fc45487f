/**
 * Engines over one store of prefixes, as visits of a page or its tabs: the table session in the place of arithmetic (its
 * keys and values are the tokens themselves, so a wrong block gives another answer) and a clock that only work moves.
 */
import type { Engine } from '../../src/engine/engine.ts';
import type {
  ContentSettings,
  EngineEvent,
  GenerateRequest,
  GenerationTimings,
} from '../../src/rpc/protocol.ts';
import { keyRule } from '../../src/storage/content-rule.ts';
import { tenantTag } from '../../src/storage/prefix-keys.ts';
import { createByteModel } from './byte-model.ts';
import type { ByteModel, ByteModelOptions } from './byte-model.ts';
import { startInProcess } from './in-process.ts';
import { createMemoryKeys } from './memory-keys.ts';
import type { MemoryKeys } from './memory-keys.ts';
import { createMemoryPrefixes } from './memory-prefixes.ts';
import type { MemoryPrefixes } from './memory-prefixes.ts';
import { CONTENT } from './requests.ts';

export interface Visit {
  engine: Engine;
  model: ByteModel;
  ask(request: GenerateRequest, signal?: AbortSignal): Promise<Asked>;
  /** Waits until everything is written that was to be. */
  settle(): Promise<void>;
  events<T extends EngineEvent['type']>(type: T): Extract<EngineEvent, { type: T }>[];
}

export interface Asked {
  text: string;
  timings: GenerationTimings;
}

export interface World {
  store: MemoryPrefixes;
  keys: MemoryKeys;
  clock: { ms: number };
  /** What all records hold to who has the key of the tenant called ''; undefined for what does not open. */
  opened(): Promise<Map<string, Uint8Array | undefined>>;
  /** A new engine, as after a reload. */
  visit(content?: Partial<ContentSettings>, options?: ByteModelOptions): Promise<Visit>;
}

/** What computing a token and reading a block takes. */
export interface Speeds {
  tokenMs: number;
  readMs: number;
}

const BUDGET = 1 << 20;

export function createWorld({ tokenMs, readMs }: Speeds = { tokenMs: 1, readMs: 0.1 }): World {
  const store = createMemoryPrefixes();
  const keys = createMemoryKeys();
  const clock = { ms: 1_000_000 };
  store.before = (call, keys) => {
    if (call === 'read') clock.ms += readMs * keys.length;
  };
  return {
    store,
    keys,
    clock,
    async opened() {
      const rule = await keyRule(await keys.take(tenantTag('')));
      const contents = [...store.records].map(
        async ([name, record]): Promise<[string, Uint8Array | undefined]> => [
          name,
          await rule.open(record.slice().buffer, name),
        ],
      );
      return new Map(await Promise.all(contents));
    },
    async visit(content = {}, { beforeStep, ...options } = {}) {
      const model = createByteModel({
        ...options,
        async beforeStep(ids, cached) {
          clock.ms += tokenMs * ids.length;
          await beforeStep?.(ids, cached);
        },
      });
      const { engine, worker } = startInProcess({ model, prefixes: store, keys, now: () => clock.ms });
      worker.terminate();
      const source = { kind: 'url' as const, url: 'https://models.test/m.gguf', id: 'm' };
      const session = { threads: 1, simd: 'auto' as const, kv: 'q8' as const, contextLength: 0 };
      await engine.load(
        {
          source,
          device: 'cpu' as const,
          draft: null,
          options: session,
          content: { ...CONTENT, prefixBytes: BUDGET, ...content },
          speculation: null,
        },
        {},
      );
      return visitOf(engine, model);
    },
  };
}

function visitOf(engine: Engine, model: ByteModel): Visit {
  const events = <T extends EngineEvent['type']>(type: T): Extract<EngineEvent, { type: T }>[] =>
    engine.events.recent().filter((event): event is Extract<EngineEvent, { type: T }> => event.type === type);
  return {
    engine,
    model,
    events,
    async ask(request, signal = new AbortController().signal) {
      let text = '';
      let timings: GenerationTimings | undefined;
      await engine.generate(request, {
        signal,
        post(message) {
          if (message.type !== 'chunk' && message.type !== 'end') return;
          text += message.deltas.map((delta) => delta.text).join('');
          if (message.type === 'end') timings = message.timings;
        },
      });
      if (!timings) throw new Error('the answer has no end');
      return { text, timings };
    },
    settle: () => engine.prefixes().settled(),
  };
}
