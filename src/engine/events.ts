/**
 * Typed events in a ring buffer: what the engine did, for whoever looks. Nothing waits for an event or reads
 * one to decide. Without a listener the frequent ones are not even made (`watched` is false) and nothing is
 * posted; the few of each load and request stay in the ring. Listeners get batches.
 */
import type { EngineEvent } from '../rpc/protocol.ts';

/** An event without its time: the log stamps it. */
export type EventBody = EngineEvent extends infer E ? (E extends EngineEvent ? Omit<E, 'at'> : never) : never;

export type EventSink = (events: EngineEvent[], lost: number) => void;

export interface EventLog {
  /** Whether anybody listens. Ask before making a frequent event. */
  readonly watched: boolean;
  emit(body: EventBody): void;
  /** Hands what has gathered to the listeners. */
  flush(): void;
  /** What the ring holds, oldest first. */
  recent(): EngineEvent[];
  /** `sink` gets each event once, in batches, from now on. Returns what ends it. */
  watch(sink: EventSink): () => void;
}

const RING_SIZE = 1024;

export function createEventLog(now: () => number, size = RING_SIZE): EventLog {
  const ring: EngineEvent[] = [];
  const sinks = new Set<EventSink>();
  /** Events emitted so far; event `i` lies at `i % size`. */
  let count = 0;
  let flushed = 0;

  function since(first: number): EngineEvent[] {
    const events: EngineEvent[] = [];
    for (let i = Math.max(first, count - size, 0); i < count; i++) {
      const event = ring[i % size];
      if (event) events.push(event);
    }
    return events;
  }

  function flush(): void {
    if (flushed === count || sinks.size === 0) return;
    const events = since(flushed);
    const lost = count - flushed - events.length;
    flushed = count;
    for (const sink of sinks) sink(events, lost);
  }

  return {
    get watched() {
      return sinks.size > 0;
    },
    emit(body) {
      ring[count % size] = { at: now(), ...body };
      count += 1;
    },
    flush,
    recent: () => since(0),
    watch(sink) {
      flush();
      if (sinks.size === 0) flushed = count;
      sinks.add(sink);
      return () => sinks.delete(sink);
    },
  };
}
