/**
 * Listeners to events by type: the engine's, and those of routing, which happen on the page. The engine is asked for
 * its events when the first listener to one comes and told to stop when the last listener goes. A listener that throws
 * is reported and hurts nobody else.
 */
import type { EngineEvent } from '../rpc/protocol.ts';
import type { ClientEvent, ClientEventType, RouteEvent } from './route-events.ts';

type Listener = (event: never) => void;

export interface EventHub {
  on<T extends ClientEventType>(
    type: T,
    listener: (event: Extract<ClientEvent, { type: T }>) => void,
  ): () => void;
  emit(event: RouteEvent): void;
  close(): void;
}

export function createEventHub(watch: (onEvents: (events: EngineEvent[]) => void) => () => void): EventHub {
  const listeners = new Map<ClientEventType, Set<Listener>>();
  let stop: (() => void) | undefined;

  function dispatch(events: readonly ClientEvent[]): void {
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
      if (!type.startsWith('route-')) stop ??= watch(dispatch);
      return () => {
        ofType.delete(listener);
        if ([...listeners.values()].every((set) => set.size === 0)) close();
      };
    },
    emit: (event) => dispatch([event]),
    close,
  };
}
