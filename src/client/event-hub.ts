/**
 * Listeners to engine events by type. The engine is asked for events when the first listener comes and told to
 * stop when the last one goes. A listener that throws is reported and hurts nobody else.
 */
import type { EngineEvent, EngineEventType } from '../rpc/protocol.ts';

type Listener = (event: never) => void;

export interface EventHub {
  on<T extends EngineEventType>(
    type: T,
    listener: (event: Extract<EngineEvent, { type: T }>) => void,
  ): () => void;
  close(): void;
}

export function createEventHub(watch: (onEvents: (events: EngineEvent[]) => void) => () => void): EventHub {
  const listeners = new Map<EngineEventType, Set<Listener>>();
  let stop: (() => void) | undefined;

  function dispatch(events: EngineEvent[]): void {
    for (const event of events) {
      for (const listener of listeners.get(event.type) ?? []) {
        try {
          listener(event as never);
        } catch (error) {
          reportError(error);
        }
      }
    }
  }

  function close(): void {
    stop?.();
    stop = undefined;
    listeners.clear();
  }

  return {
    on(type, listener) {
      const ofType = listeners.get(type) ?? new Set();
      listeners.set(type, ofType);
      ofType.add(listener);
      stop ??= watch(dispatch);
      return () => {
        ofType.delete(listener);
        if ([...listeners.values()].every((set) => set.size === 0)) close();
      };
    },
    close,
  };
}
