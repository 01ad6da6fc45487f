/** What a test asks of the page it opens, and what the page reports. Types only. */
import type { RunRequest, RunResult } from '../fixtures/processors/run.ts';

export interface ChatTask {
  kind: 'chat';
  model: string;
  options: { simd?: 'auto' | 'plain'; threads?: number; device?: 'webgpu' };
  prompt: string;
  maxTokens: number;
}

export interface ChatResult {
  text: string;
  threads: number;
  simd: string;
  isIsolated: boolean;
  isKept: boolean;
  origin: string;
  /** Of the decoding alone. */
  tokensPerSecond: number;
}

/** The kernels by themselves, as in the tests of processors. */
export interface RunTask {
  kind: 'run';
  request: RunRequest;
}

export type Task = ChatTask | RunTask;

export type Report = { result: ChatResult | RunResult } | { error: { code: string; message: string } };
