import { expect, test } from 'vitest';
import type { EngineEvent } from '../rpc/protocol.ts';
import { createEventLog } from './events.ts';
import type { EventBody } from './events.ts';

const start = (model: string): EventBody => ({ type: 'load-start', model, draft: null });
const models = (events: readonly EngineEvent[]): string[] =>
  events.map((event) => (event.type === 'load-start' ? event.model : event.type));

test('events are stamped and stay in the ring', () => {
  let clock = 10;
  const log = createEventLog(() => clock++);
  log.emit(start('a'));
  log.emit(start('b'));
  expect(log.recent()).toEqual([
    { at: 10, type: 'load-start', model: 'a', draft: null },
    { at: 11, type: 'load-start', model: 'b', draft: null },
  ]);
});

test('the ring forgets the oldest', () => {
  const log = createEventLog(() => 0, 3);
  for (const model of ['a', 'b', 'c', 'd', 'e']) log.emit(start(model));
  expect(models(log.recent())).toEqual(['c', 'd', 'e']);
});

test('a listener gets what comes after it, in batches, each event once', () => {
  const log = createEventLog(() => 0);
  log.emit(start('before'));
  expect(log.watched).toBe(false);
  const batches: string[][] = [];
  const stop = log.watch((events) => batches.push(models(events)));
  expect(log.watched).toBe(true);
  log.flush();
  log.emit(start('a'));
  log.emit(start('b'));
  log.flush();
  log.flush();
  log.emit(start('c'));
  log.flush();
  stop();
  log.emit(start('d'));
  log.flush();
  expect(batches).toEqual([['a', 'b'], ['c']]);
  expect(log.watched).toBe(false);
});

test('a listener is told how many events it missed', () => {
  const log = createEventLog(() => 0, 2);
  const seen: [string[], number][] = [];
  log.watch((events, lost) => seen.push([models(events), lost]));
  for (const model of ['a', 'b', 'c', 'd', 'e']) log.emit(start(model));
  log.flush();
  expect(seen).toEqual([[['d', 'e'], 3]]);
});

test('a listener that comes later gets nothing twice', () => {
  const log = createEventLog(() => 0);
  const first: string[] = [];
  const second: string[] = [];
  log.watch((events) => first.push(...models(events)));
  log.emit(start('a'));
  log.watch((events) => second.push(...models(events)));
  log.emit(start('b'));
  log.flush();
  expect([first, second]).toEqual([['a', 'b'], ['b']]);
});
