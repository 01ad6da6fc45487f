import { expect, test } from 'vitest';
import type { ContentKeys } from '../../src/storage/content-keys.ts';
import { tenantTag } from '../../src/storage/prefix-keys.ts';
import { describeContentKeys } from './content-keys.ts';
import type { KeysCall } from './keys/call.ts';

/** In a new worker each time, as tabs are. */
async function open(): Promise<ContentKeys> {
  const worker = new Worker(new URL('./keys/worker.ts', import.meta.url), { type: 'module' });
  const ask = <T>(call: KeysCall['call'], tenant = ''): Promise<T> =>
    new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.addEventListener('message', ({ data }: MessageEvent<T>) => resolve(data));
      port1.start();
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
      worker.postMessage({ call, tenant } satisfies KeysCall, [port2]);
    });
  return {
    take: (tenant) => ask('take', tenant),
    remove: (tenant) => ask('remove', tenant),
    removeAll: () => ask('removeAll'),
  };
}

async function folder(): Promise<FileSystemDirectoryHandle> {
  let found = await navigator.storage.getDirectory();
  for (const name of ['selvedge', 'v1', 'keys']) found = await found.getDirectoryHandle(name);
  return found;
}

describeContentKeys('in files', open);

const ALICE = tenantTag('alice');

async function putKey(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const file = await (await folder()).getFileHandle(ALICE, { create: true });
  const writable = await file.createWritable();
  await writable.write(bytes);
  await writable.close();
}

test('a key is its file, and both go', async () => {
  const keys = await open();
  const key = await keys.take(ALICE);
  const file = await (await (await folder()).getFileHandle(ALICE)).getFile();
  expect(new Uint8Array(await file.arrayBuffer())).toEqual(key);
  await keys.remove(ALICE);
  await expect((await folder()).getFileHandle(ALICE)).rejects.toMatchObject({ name: 'NotFoundError' });
});

test.each([0, 7, 31])('a file that a crash left with %i bytes is no key', async (length) => {
  const keys = await open();
  await keys.removeAll();
  await putKey(new Uint8Array(length).fill(3));
  const key = await keys.take(ALICE);
  expect(key).not.toEqual(Uint8Array.from({ length: 32 }, (_, i) => (i < length ? 3 : 0)));
  expect(await (await open()).take(ALICE)).toEqual(key);
});

test('nor is one that was written over and not removed', async () => {
  await putKey(new Uint8Array(32));
  expect(await (await open()).take(ALICE)).not.toEqual(new Uint8Array(32));
});
