/** What routing did, for whoever looks, beside the engine's events. Types only, and never content. */
import type { LedgerRow } from '../privacy/egress-request.ts';
import type { ProviderEvent } from '../provider/provider.ts';
import type { Decision } from '../router/decision.ts';
import type { EngineEvent, EngineEventType } from '../rpc/protocol.ts';

/** `at` is milliseconds since the epoch. */
export type RouteEvent = { at: number } & (
  | { type: 'route-decide'; decision: Decision }
  | { type: 'route-provider'; decisionId: string; event: ProviderEvent }
  | {
      type: 'route-end';
      decisionId: string;
      outcome: 'done' | 'aborted' | 'failed';
      /** Who gave the last of it; not the one decided on where another took over. */
      provider: string;
      /** What came true of the prediction. Null: there was none, or nobody says. */
      firstTokenMs: number | null;
      totalMs: number;
      promptTokens: number | null;
      completionTokens: number | null;
    }
  | { type: 'route-egress'; row: LedgerRow }
);

export type ClientEvent = EngineEvent | RouteEvent;
export type ClientEventType = EngineEventType | RouteEvent['type'];
