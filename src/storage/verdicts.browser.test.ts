import { del, set } from 'idb-keyval';
import { beforeEach, expect, test } from 'vitest';
import { storeOf } from './db.ts';
import { readVerdict, writeVerdict } from './verdicts.ts';

const settings = storeOf('settings', 'relaxed');
beforeEach(() => del('verdicts', settings));

test('a verdict is found by all that its key names', async () => {
  await writeVerdict('adapter A, kernels 1', { device: 'webgpu' });
  await writeVerdict('adapter A, kernels 2', { device: 'cpu' });
  await writeVerdict('adapter A, kernels 1', { device: 'cpu', again: true });
  expect(await readVerdict('adapter A, kernels 1')).toEqual({ device: 'cpu', again: true });
  expect(await readVerdict('adapter A, kernels 2')).toEqual({ device: 'cpu' });
  expect(await readVerdict('adapter B, kernels 1')).toBeUndefined();
});

test('the oldest go, and what is read is none of them', async () => {
  for (let i = 0; i < 40; i++) await writeVerdict(`key ${i}`, i);
  expect(await readVerdict('key 7')).toBeUndefined();
  expect(await readVerdict('key 8')).toBe(8);
  expect(await readVerdict('key 39')).toBe(39);
});

test('a record that is damaged counts as none, and is written over', async () => {
  await set('verdicts', { not: 'a list' }, settings);
  expect(await readVerdict('key')).toBeUndefined();
  await writeVerdict('key', 1);
  expect(await readVerdict('key')).toBe(1);
});
