/** Kept prefixes through the public API, the boundary included; the store is in memory. */
import { expect, test } from 'vitest';
import { createByteModel } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { createMemoryPrefixes } from '../../test/fakes/memory-prefixes.ts';
import type { MemoryPrefixes } from '../../test/fakes/memory-prefixes.ts';
import { createClient } from './client.ts';
import type { Client } from './client.ts';
import type { ClientOptions } from './options.ts';
import { readClientOptions } from './options.ts';

async function open(store: MemoryPrefixes, options: Partial<ClientOptions> = {}): Promise<Client> {
  const { worker } = startInProcess({ model: createByteModel(), prefixes: store });
  return createClient({ model: 'https://models.test/byte-model.gguf', worker, ...options });
}

const system = [{ role: 'system' as const, content: 'Answer in one line. '.repeat(8) }];
const question = { role: 'user' as const, content: 'why?' };

test('a prefix is pinned, found, listed, counted and deleted', async () => {
  const store = createMemoryPrefixes();
  const client = await open(store);
  const pinned = await client.prefixes.pin(system);
  expect(await client.prefixes.list()).toEqual([pinned]);
  expect(await client.prefixes.usage()).toEqual({
    byteLength: pinned.byteLength,
    blockCount: Math.ceil(pinned.tokens / 64),
    budgetBytes: 2 ** 28,
  });
  client.close();

  const later = await open(store);
  const { timings, usage } = await later.chat.completions.create({
    messages: [...system, question],
    max_tokens: 2,
  });
  expect(timings.cache_n).toBe(pinned.tokens);
  expect(timings.restore_ms).toBeGreaterThanOrEqual(0);
  expect(usage.prompt_tokens_details.cached_tokens).toBe(pinned.tokens);
  await later.prefixes.settled();
  expect(await later.prefixes.delete('no such')).toBe(false);
  expect(await later.prefixes.delete(pinned.id)).toBe(true);
  await later.prefixes.clear();
  expect(store.records.size).toBe(0);
  later.close();
});

test('a label in the request keeps it out of the store, in chats and raw prompts', async () => {
  const store = createMemoryPrefixes();
  const client = await open(store);
  const selvedge = { privacy: 'secret' as const };
  await client.chat.completions.create({ messages: [...system, question], max_tokens: 2, selvedge });
  await client.completions.create({ prompt: 'a secret '.repeat(20), max_tokens: 2, selvedge });
  await client.prefixes.settled();
  expect(store.records.size).toBe(0);
  await client.completions.create({ prompt: 'no secret '.repeat(20), max_tokens: 2 });
  await client.prefixes.settled();
  expect(store.records.size).toBeGreaterThan(0);
  client.close();
});

test('a beginning, a label, a name or an option that is wrong says which', async () => {
  const client = await open(createMemoryPrefixes());
  const { prefixes } = client;
  const failing: [() => Promise<unknown>, string, string][] = [
    [() => prefixes.pin('' as never), 'invalid_request', 'beginning'],
    [() => prefixes.pin(7 as never), 'invalid_request', 'beginning'],
    [() => prefixes.pin([{ role: 'nobody' as never, content: '' }]), 'invalid_request', 'messages[0].role'],
    [() => prefixes.pin(system, 'x' as never), 'invalid_request', 'options'],
    [() => prefixes.pin(system, { privacy: 'hidden' as never }), 'invalid_request', 'privacy'],
    [() => prefixes.pin(system, { privat: 'secret' } as never), 'unsupported_parameter', 'options.privat'],
    [() => prefixes.pin(system, { privacy: 'secret' }), 'invalid_request', 'selvedge.privacy'],
    [() => prefixes.delete(7 as never), 'invalid_request', 'id'],
    [() => prefixes.clear({ all: true } as never), 'unsupported_parameter', 'options.all'],
    [
      () => client.chat.completions.create({ messages: [question], selvedge: { rout: 'cloud' } as never }),
      'unsupported_parameter',
      'selvedge.rout',
    ],
    [
      () => client.completions.create({ prompt: 'a', selvedge: { privacy: 'hidden' as never } }),
      'invalid_request',
      'privacy',
    ],
  ];
  for (const [call, code, param] of failing) {
    await expect(call(), param).rejects.toMatchObject({ code, details: { param } });
  }
  client.close();
});

test.each([
  [{ prefixes: true }, 'prefixes'],
  [{ prefixes: { maxBytes: -1 } }, 'prefixes.maxBytes'],
  [{ prefixes: { maxBytes: '9' } }, 'prefixes.maxBytes'],
  [{ prefixes: { max: 9 } }, 'prefixes.max'],
  [{ tenant: 7 }, 'tenant'],
  [{ passphrase: '' }, 'passphrase'],
  [{ passphrase: 7 }, 'passphrase'],
])('the option %j is refused by its name', (options, param) => {
  expect(() => readClientOptions({ model: 'https://models.test/m.gguf', ...options })).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { param } }),
  );
});

test('options say what is kept, whose and under which passphrase; an error never shows the passphrase', () => {
  const content = (options: object): unknown =>
    readClientOptions({ model: 'https://models.test/m.gguf', ...options }).load.content;
  expect(content({ prefixes: false })).toEqual({ prefixBytes: 0, tenant: '', passphrase: null });
  expect(content({ prefixes: { maxBytes: 5 }, tenant: 'a', passphrase: 'p' })).toEqual({
    prefixBytes: 5,
    tenant: 'a',
    passphrase: 'p',
  });
  expect(() => content({ passphrase: ['hunter2'] })).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
  );
});
