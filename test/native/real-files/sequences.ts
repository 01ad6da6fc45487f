/** What goes to and comes from the worker of the real files. Types only. */

/** A prompt, and what native llama.cpp says to it, greedily. */
export interface Sequence {
  prompt: number[];
  answer: number[];
}

export interface Followed {
  /** For each sequence and each token of its answer: our choice. */
  steps: number[][];
  loadMs: number;
  memory: { weightBytes: number; kvBytes: number; scratchBytes: number; totalBytes: number };
}
