/** The promise over ten thousand random conversations with the client; what it says and how is in promise.test.ts. */
import { expect, it } from 'vitest';
import { openClientKeeper } from './routed.ts';
import { holdChats } from './run.ts';

const BLOCKS = Array.from({ length: 20 }, (_, i) => i);
const CHATS = 500;

it.each(BLOCKS)('holds in the conversations of block %i', async (block) => {
  const seeds = Array.from({ length: CHATS }, (_, i) => 1_000_000 + block * CHATS + i);
  const { plans, requests, leaks, told } = await holdChats(seeds, openClientKeeper);
  expect(leaks).toEqual([]);
  expect(told).toEqual([]);
  expect(requests).toBeGreaterThan(CHATS);
  expect(plans['cloud-redacted']).toBeGreaterThan(CHATS / 4);
});
