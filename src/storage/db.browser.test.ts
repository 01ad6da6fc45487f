/** The connection's life: whatever ends it, the next use has one again; what does not make way is not waited for. */
import { get, set } from 'idb-keyval';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { hasDatabase, storeOf } from './db.ts';

const settings = storeOf('settings', 'relaxed');

function deleteDatabase(): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('selvedge');
    request.addEventListener('success', () => resolve());
    request.addEventListener('error', () => reject(request.error));
  });
}

/** A connection of another tab with another version of selvedge. It makes way only if it is told to. */
function openOther(version: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('selvedge', version);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore('models'));
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

beforeEach(deleteDatabase);
afterAll(deleteDatabase);

test('a deletion is not held up by the open connection, and the next use opens it anew', async () => {
  await set('a', 1, settings);
  await deleteDatabase();
  expect(await get('a', settings)).toBeUndefined();
  await set('a', 2, settings);
  expect(await get('a', settings)).toBe(2);
});

test('a connection that the browser closed is replaced, whether or not it said so', async () => {
  for (const isTold of [true, false]) {
    await set('a', isTold, settings);
    await settings('readonly', (store) => {
      const { db } = store.transaction;
      db.close();
      if (isTold) db.dispatchEvent(new Event('close'));
    });
    expect(await get('a', settings)).toBe(isTold);
  }
});

test('stores of an older version are kept, and those since are added', async () => {
  const old = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('selvedge', 1);
    request.addEventListener('upgradeneeded', () => {
      request.result.createObjectStore('models').put({ kept: true }, 'key');
      request.result.createObjectStore('chunks');
    });
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
  old.close();
  expect(await get('key', storeOf('models', 'strict'))).toEqual({ kept: true });
  await set('a', 1, settings);
  expect(await get('a', settings)).toBe(1);
});

test('a tab with an older version that does not make way is not waited for, until it does', async () => {
  const other = await openOther(1);
  expect(await hasDatabase()).toBe(false);
  other.close();
  await set('a', 1, settings);
  expect(await get('a', settings)).toBe(1);
});

test('a database of a newer version is left alone', async () => {
  const other = await openOther(99);
  expect(await hasDatabase()).toBe(false);
  expect(other.version).toBe(99);
  other.close();
});
