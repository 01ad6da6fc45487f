import { set } from 'idb-keyval';
import { expect, test } from 'vitest';
import { storeOf } from '../../src/storage/db.ts';
import { openOutputStore } from '../../src/storage/idb-outputs.ts';
import type { OutputStore } from '../../src/storage/output-store.ts';
import { describeOutputStore } from './output-store.ts';

async function open(): Promise<OutputStore> {
  const store = await openOutputStore();
  if (!store) throw new Error('this browser has no IndexedDB');
  return store;
}

describeOutputStore('in IndexedDB', open);

test('keys of another kind are none, and go with all', async () => {
  const store = await open();
  const raw = storeOf('past-outputs', 'relaxed');
  const keys: IDBValidKey[] = [
    'text',
    7,
    ['t', 'r', 1, 'n'],
    ['t', 'r', '1', 2, 'n'],
    ['t', 'r', -1, 2, 'n'],
  ];
  for (const key of keys) await set(key, new ArrayBuffer(4), raw);
  expect(await store.keys()).toEqual([]);
  await store.removeAll();
  expect(
    await raw(
      'readonly',
      (all) =>
        new Promise((resolve) => {
          const request = all.count();
          request.addEventListener('success', () => resolve(request.result));
        }),
    ),
  ).toBe(0);
});
