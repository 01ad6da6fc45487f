/**
 * The records of all stored files, in IndexedDB. Commits are strict: they are few (one per 4 MiB), and a
 * record that came back older than its bytes only means that some are fetched again.
 */
import { del, get, set, values } from 'idb-keyval';
import { storeOf } from './db.ts';
import { parseRecord } from './record.ts';
import type { ModelRecord } from './record.ts';

const models = storeOf('models', 'strict');
const touched = storeOf('models', 'relaxed');

export async function findRecord(key: string): Promise<ModelRecord | undefined> {
  return parseRecord(await get<unknown>(key, models));
}

export function putRecord(record: ModelRecord): Promise<void> {
  return set(record.key, record, models);
}

/** For what may be lost: when the file was used last. */
export function touchRecord(record: ModelRecord): Promise<void> {
  return set(record.key, record, touched);
}

export function removeRecord(key: string): Promise<void> {
  return del(key, models);
}

/** The most recently used first. */
export async function allRecords(): Promise<ModelRecord[]> {
  const found = (await values<unknown>(models)).map(parseRecord).filter((record) => record !== undefined);
  return found.sort((a, b) => b.lastUsed - a.lastUsed);
}
