/** What the engine did, for whoever looks: the events of its log. Types only: both programs compile this file. */
import type { LoadProgress, ModelFile } from '../storage/model-file.ts';

/** `at` is milliseconds since the epoch, comparable between threads. `request` numbers the engine's requests from 1. */
export type EngineEvent = { at: number } & (
  | { type: 'load-start'; model: string; draft: string | null }
  | { type: 'load-phase'; model: string; phase: LoadProgress['phase'] }
  /** Where the model runs, and why not elsewhere. `adapter`: of a GPU. */
  | { type: 'device-choice'; model: string; device: 'cpu' | 'webgpu'; adapter: string | null; why: string }
  /** `memoryBytes` is that of model and draft. */
  | { type: 'load-end'; model: string; origin: ModelFile['origin']; ms: number; memoryBytes: number }
  | { type: 'load-failed'; model: string; code: string }
  | { type: 'request-queued'; request: number; priority: number; waiting: number }
  | {
      type: 'request-start';
      request: number;
      promptTokens: number;
      waitedMs: number;
      droppedMessages: number;
    }
  | { type: 'prefix-restore'; request: number; tokens: number; byteLength: number; ms: number }
  | {
      /** What was written after a request, in idle time. `full`: not all of it, because the budget or the disk is. */
      type: 'prefix-keep';
      outcome: 'done' | 'full' | 'failed';
      blocks: number;
      byteLength: number;
      evicted: number;
      ms: number;
    }
  | { type: 'prefill-end'; request: number; promptTokens: number; cachedTokens: number; ms: number }
  | {
      type: 'step';
      request: number;
      choice: number;
      /** Rows computed: the last token and the guesses behind it. */
      idCount: number;
      /** Tokens that came of it. */
      acceptedCount: number;
      /** Whose guesses they were; `null` without. */
      drafter: string | null;
      position: number;
    }
  | {
      type: 'request-end';
      request: number;
      outcome: 'done' | 'aborted' | 'failed';
      steps: number;
      predictedTokens: number;
      /** Messages posted and turns of the event loop taken: what the request cost beside the arithmetic. */
      messages: number;
      hops: number;
      ms: number;
    }
);

export type EngineEventType = EngineEvent['type'];

export interface EventsMessage {
  type: 'events';
  events: EngineEvent[];
  /** Events that the ring had to forget since the last message. */
  lost: number;
}
