/** What a token of a prompt takes to compute here, by the engine's own requests. The latest count the most. */

export interface PrefillRate {
  observe(tokens: number, ms: number): void;
  /** Undefined until a prompt was computed. */
  readonly msPerToken: number | undefined;
}

/** Fewer tell more about the fixed cost of a step. */
const LEAST_TOKENS = 16;

export function createPrefillRate(): PrefillRate {
  let msPerToken: number | undefined;
  return {
    observe(tokens, ms) {
      if (tokens < LEAST_TOKENS) return;
      msPerToken = msPerToken === undefined ? ms / tokens : (msPerToken + ms / tokens) / 2;
    },
    get msPerToken() {
      return msPerToken;
    },
  };
}
