/**
 * Server-sent events from a response body, by the kept parser, as strictly as an answer needs: what is not UTF-8, not an
 * event or endless is malformed, because a line that is skipped may have been text.
 */
import { createParser } from 'eventsource-parser';

export interface ServerEvent {
  data: string;
  id: string | undefined;
}

/** The stream is not one of events. */
export class MalformedStream extends Error {}

/** Characters of one event: far more than any chunk has. */
const MAX_EVENT = 1 << 20;

/** Takes bytes as they arrive, gives the events that became complete. */
export function createEventReader(): (bytes: Uint8Array) => ServerEvent[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let events: ServerEvent[] = [];
  let malformed: MalformedStream | undefined;
  const isRepeated = createRepeatFilter();
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: ({ data, id }) => {
      const event = { data, id };
      if (!isRepeated(event)) events.push(event);
    },
    onError: ({ type }) => {
      if (type !== 'invalid-retry') malformed ??= new MalformedStream(type);
    },
  });

  return (bytes) => {
    events = [];
    let text: string;
    try {
      text = decoder.decode(bytes, { stream: true });
    } catch {
      throw new MalformedStream('not UTF-8');
    }
    parser.feed(text);
    if (malformed) throw malformed;
    return events;
  };
}

/**
 * Whether an event was seen before. Equal data says nothing, as a model may say the same twice: it is the same event when
 * its id is too. Some servers give every event of an answer one id; with those nothing is dropped.
 */
function createRepeatFilter(): (event: ServerEvent) => boolean {
  const seen = new Map<string, string>();
  let idsTell = true;
  return ({ id, data }) => {
    if (id === undefined || id === '' || !idsTell) return false;
    const before = seen.get(id);
    if (before === data) return true;
    if (before !== undefined) {
      idsTell = false;
      seen.clear();
    }
    seen.set(id, data);
    return false;
  };
}
