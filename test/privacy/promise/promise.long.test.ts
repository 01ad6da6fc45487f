/** The promise over ten thousand random conversations with the client; what it says and how is in promise.test.ts. */
import { expect, it } from 'vitest';
import { openClientKeeper } from './routed.ts';
import { holdChats } from './run.ts';

const CHATS = 10_000;

it('holds in ten thousand conversations', async () => {
  const seeds = Array.from({ length: CHATS }, (_, i) => 1_000_000 + i);
  const { plans, requests, leaks, told } = await holdChats(seeds, openClientKeeper);
  expect(leaks).toEqual([]);
  expect(told).toEqual([]);
  expect(requests).toBeGreaterThan(CHATS);
  expect(plans['cloud-redacted']).toBeGreaterThan(CHATS / 4);
});
