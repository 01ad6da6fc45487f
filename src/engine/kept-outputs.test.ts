/**
 * Past answers are guessed from in later visits and by nobody else; whatever is wrong with the store is an answer that is
 * not guessed from; and what must not be written is not.
 */
import { describe, expect, test } from 'vitest';
import { createByteModel, textIds } from '../../test/fakes/byte-model.ts';
import type { ByteModel } from '../../test/fakes/byte-model.ts';
import { propose } from '../../test/fakes/guesses.ts';
import { createMemoryOutputs } from '../../test/fakes/memory-outputs.ts';
import type { MemoryOutputs } from '../../test/fakes/memory-outputs.ts';
import { CONTENT } from '../../test/fakes/requests.ts';
import { seeded } from '../../test/models/random.ts';
import type { ContentSettings } from '../rpc/protocol.ts';
import { keyRule, passphraseRule } from '../storage/content-rule.ts';
import type { ContentRule } from '../storage/content-rule.ts';
import { createIdleQueue } from './idle-queue.ts';
import { createKeptOutputs } from './kept-outputs.ts';
import type { KeptOutputs } from './kept-outputs.ts';
import { createScheduler } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';

const ANSWER = 'The harbour master counts seven red lanterns.';
const OTHER = 'Nobody in the village had seen the clock stop.';
const KEPT = await keyRule(new Uint8Array(32).fill(5));
const SEALED = await passphraseRule('correct horse', new Uint8Array(16), 10);

interface Visit {
  outputs: KeptOutputs;
  scheduler: Scheduler;
  add(text: string, privacy?: 'personal' | 'secret'): void;
  settle(): Promise<void>;
  /** What is guessed behind the first half of `text`. */
  guess(text: string): string | null;
}

interface VisitOptions {
  settings?: Partial<ContentSettings>;
  rule?: ContentRule;
  isUsed?: boolean;
  model?: ByteModel;
}

/** What the seal adds: a nonce and a tag. */
const SEAL_BYTES = 28;

let clock = 1000;

/** An engine's part over the store, as after a reload, once it has loaded what there is. */
async function visit(store: MemoryOutputs | undefined, options: VisitOptions = {}): Promise<Visit> {
  const opened = open(store, options);
  await opened.settle();
  return opened;
}

function open(store: MemoryOutputs | undefined, options: VisitOptions): Visit {
  const { settings = {}, rule = KEPT, isUsed = true, model = createByteModel() } = options;
  const scheduler = createScheduler();
  const queue = createIdleQueue(scheduler, () => new Promise((resolve) => setImmediate(resolve)));
  const outputs = createKeptOutputs({
    kept: store && { store, rule },
    settings: { ...CONTENT, prefixBytes: 1 << 20, ...settings },
    isUsed,
    model,
    queue,
    now: () => clock++,
  });
  return {
    outputs,
    scheduler,
    settle: () => queue.add(async () => undefined),
    add: (text, privacy = 'personal') => outputs.add(textIds(text), privacy),
    guess(text) {
      outputs.drafter.reset();
      outputs.drafter.observe(textIds(text.slice(0, text.length / 2)));
      const draft = propose(outputs.drafter, 100);
      return draft && model.decode([...draft.ids]);
    },
  };
}

/** A store that holds ANSWER, and its only record. */
async function stored(options: VisitOptions = {}): Promise<{ store: MemoryOutputs; bytes: Uint8Array }> {
  const store = createMemoryOutputs();
  const first = await visit(store, options);
  first.add(ANSWER);
  await first.settle();
  const [record] = store.records.values();
  return { store, bytes: new Uint8Array(record!.content as ArrayBuffer) };
}

const rest = (text: string): string => text.slice(text.length / 2);
const sizes = (store: MemoryOutputs): number =>
  [...store.records.values()].reduce((sum, { key }) => sum + key.byteLength, 0);

function setContent(store: MemoryOutputs, content: unknown): void {
  for (const record of store.records.values()) record.content = content;
}

/** Whether `text` is in the store, as it lies there or as somebody with `key` opens it. */
async function holds(store: MemoryOutputs, text: string, key?: ContentRule): Promise<boolean> {
  const forms = [Uint8Array, Uint16Array, Int32Array].map((Form) => Form.from(textIds(text)).buffer);
  const all = await Promise.all(
    [...store.records].map(
      async ([
        place,
        {
          key: { name },
          content,
        },
      ]) =>
        Buffer.concat([
          Buffer.from(place),
          Buffer.from(content as ArrayBuffer),
          (await key?.open(content, name)) ?? Buffer.alloc(0),
        ]),
    ),
  );
  return all.some((one) => forms.some((form) => one.includes(Buffer.from(form))));
}

test('an answer is guessed from as soon as its request is over, and after a reload', async () => {
  const { store } = await stored();
  const first = await visit(undefined);
  first.add(ANSWER);
  expect(first.guess(ANSWER)).toBe(rest(ANSWER));
  const later = await visit(store);
  expect(later.guess(ANSWER)).toBe(rest(ANSWER));
  expect(later.guess(OTHER)).not.toBe(rest(OTHER));
});

test('a long answer is learnt in idle time only', async () => {
  const random = seeded(3);
  const long = Array.from({ length: 9000 }, () => random.below(256));
  const { outputs, settle } = await visit(undefined);
  outputs.add(long, 'personal');
  outputs.drafter.observe(long.slice(8000, 8040));
  const matched = (): number => propose(outputs.drafter, 1)?.features[0]?.[0] ?? 0;
  expect(matched()).toBeLessThan(40);
  await settle();
  expect(matched()).toBe(40);
});

test('the same answer twice is kept once, and is the newer for it', async () => {
  const { store } = await stored();
  const next = await visit(store);
  next.add(OTHER);
  next.add(ANSWER);
  await next.settle();
  expect(store.records.size).toBe(2);
  const keys = (await store.keys()).toSorted((a, b) => a.lastUsed - b.lastUsed);
  const sizeOf = (text: string): number => 4 * text.length + SEAL_BYTES;
  expect(keys.map(({ byteLength }) => byteLength)).toEqual([sizeOf(OTHER), sizeOf(ANSWER)]);
});

test('tabs that write at the same time lose nothing', async () => {
  const store = createMemoryOutputs();
  const tabs = [await visit(store), await visit(store)] as const;
  tabs[0].add(ANSWER);
  tabs[1].add(OTHER);
  tabs[1].add(ANSWER);
  await Promise.all(tabs.map(({ settle }) => settle()));
  const third = await visit(store);
  expect([third.guess(ANSWER), third.guess(OTHER)]).toEqual([rest(ANSWER), rest(OTHER)]);
});

test('what is kept stays within the budget, and the oldest goes first', async () => {
  const store = createMemoryOutputs();
  const settings = { prefixBytes: 20_000 };
  const tab = await visit(store, { settings });
  const random = seeded(4);
  const letter = (): string => String.fromCharCode(97 + random.below(26));
  const texts = Array.from({ length: 40 }, () => Array.from({ length: 180 }, letter).join(''));
  for (const text of texts) tab.add(text);
  await tab.settle();
  expect(sizes(store)).toBeLessThanOrEqual(20_000);
  expect(store.records.size).toBeGreaterThan(10);
  const later = await visit(store, { settings });
  const known = texts.map((text) => later.guess(text) === rest(text));
  expect(known.indexOf(true)).toBe(40 - store.records.size);
  expect(known.lastIndexOf(false)).toBe(39 - store.records.size);
});

test('nothing is written while a request runs', async () => {
  const store = createMemoryOutputs();
  const tab = await visit(store);
  let end: () => void = () => {};
  const request = tab.scheduler.run(() => new Promise<void>((resolve) => (end = resolve)), {
    priority: 0,
    signal: new AbortController().signal,
  });
  tab.add(ANSWER);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(store.records.size).toBe(0);
  end();
  await request;
  await tab.settle();
  expect(store.records.size).toBe(1);
});

describe('what is not as it was written is not guessed from, and goes', () => {
  async function expectMiss(store: MemoryOutputs, rule: ContentRule): Promise<void> {
    const later = await visit(store, { rule });
    expect(later.guess(ANSWER)).toBeNull();
    expect(store.records.size).toBe(0);
  }

  test.each([
    ['under the key of the tenant', KEPT],
    ['under a passphrase', SEALED],
  ])('%s: a flipped bit in any byte', async (_, rule) => {
    const { bytes } = await stored({ rule });
    for (let at = 0; at < bytes.length; at++) {
      const { store, bytes: fresh } = await stored({ rule });
      const changed = fresh.slice();
      changed[at]! ^= 1 << (at % 8);
      setContent(store, changed.buffer);
      await expectMiss(store, rule);
    }
  });

  test.each([
    ['under the key of the tenant', KEPT],
    ['under a passphrase', SEALED],
  ])('%s: cut, torn, or longer by a piece', async (_, rule) => {
    const { bytes } = await stored({ rule });
    for (let length = 0; length < bytes.length; length++) {
      const { store, bytes: fresh } = await stored({ rule });
      setContent(store, fresh.slice(0, length).buffer);
      await expectMiss(store, rule);
    }
    const { store, bytes: fresh } = await stored({ rule });
    setContent(store, fresh.slice().fill(0, fresh.length >> 1).buffer);
    await expectMiss(store, rule);
    const longer = await stored({ rule });
    setContent(longer.store, Uint8Array.from([...longer.bytes, 0, 0, 0, 0]).buffer);
    await expectMiss(longer.store, rule);
  });

  test.each([null, 'text', 7, { length: 9 }, new Uint8Array(8)])('%o in its place', async (content) => {
    const { store } = await stored();
    setContent(store, content);
    await expectMiss(store, KEPT);
  });

  test('under the name of another', async () => {
    const store = createMemoryOutputs();
    const tab = await visit(store);
    tab.add(ANSWER);
    tab.add(OTHER);
    await tab.settle();
    const [one, two] = store.records.values();
    [one!.content, two!.content] = [two!.content, one!.content];
    await expectMiss(store, KEPT);
  });

  test("another tenant's, in the place of one's own", async () => {
    const alice = await stored({ settings: { tenant: 'alice' } });
    const { store } = await stored({ settings: { tenant: 'bob' } });
    const [alices] = await alice.store.keys();
    const [bobs] = await store.keys();
    await store.removeAll();
    await store.write({ ...bobs!, name: alices!.name }, alice.bytes.slice(), []);
    const later = await visit(store, { settings: { tenant: 'bob' } });
    expect([later.guess(ANSWER), store.records.size]).toEqual([null, 0]);
  });

  test('with tokens that the model has not', async () => {
    const store = createMemoryOutputs();
    const tab = await visit(store);
    tab.outputs.add([...textIds(ANSWER), 100_000], 'personal');
    await tab.settle();
    expect(store.records.size).toBe(1);
    await expectMiss(store, KEPT);
  });
});

test.each(['keys', 'read', 'write', 'remove', 'removeAll'] as const)(
  'a store whose %s fails costs no more than what it holds',
  async (broken) => {
    const { store } = await stored();
    setContent(store, new ArrayBuffer(3));
    store.before = (call) => {
      if (call === broken) throw new DOMException('gone', 'InvalidStateError');
    };
    const tab = await visit(store);
    tab.add(OTHER);
    await tab.settle();
    expect(tab.guess(OTHER)).toBe(rest(OTHER));
  },
);

test('where the disk is full an answer is not kept, and the next one may be', async () => {
  const store = createMemoryOutputs();
  const tab = await visit(store);
  store.quotaBytes = 100;
  tab.add(ANSWER);
  await tab.settle();
  expect([store.records.size, tab.guess(ANSWER)]).toEqual([0, rest(ANSWER)]);
  store.quotaBytes = Infinity;
  tab.add(OTHER);
  await tab.settle();
  expect(store.records.size).toBe(1);
});

describe('what is private', () => {
  test('a secret is in no store, and not guessed from', async () => {
    const store = createMemoryOutputs();
    const tab = await visit(store);
    tab.add(ANSWER, 'secret');
    tab.add(OTHER);
    await tab.settle();
    expect([await holds(store, 'red lanterns', KEPT), await holds(store, 'the clock', KEPT)]).toEqual([
      false,
      true,
    ]);
    expect(await holds(store, 'the clock')).toBe(false);
    expect(tab.guess(ANSWER)).not.toBe(rest(ANSWER));
  });

  test('under a passphrase it is kept, unreadable, and found with that passphrase only', async () => {
    const store = createMemoryOutputs();
    const tab = await visit(store, { rule: SEALED });
    tab.add(ANSWER, 'secret');
    tab.add(OTHER);
    await tab.settle();
    expect(store.records.size).toBe(2);
    expect([await holds(store, 'red lanterns', KEPT), await holds(store, 'the clock', KEPT)]).toEqual([
      false,
      false,
    ]);
    expect(await holds(store, 'red lanterns', SEALED)).toBe(true);
    expect((await visit(store, { rule: SEALED })).guess(ANSWER)).toBe(rest(ANSWER));
    const another = await passphraseRule('another', new Uint8Array(16), 10);
    expect((await visit(store, { rule: another })).guess(ANSWER)).toBeNull();
    expect((await visit(store)).guess(ANSWER)).toBeNull();
    expect(store.records.size).toBe(2);
  });

  test("one tenant's answers are of no use to another, nor are those of another tokenizer", async () => {
    const { store } = await stored({ settings: { tenant: 'alice' } });
    expect((await visit(store, { settings: { tenant: 'bob' } })).guess(ANSWER)).toBeNull();
    const other = createByteModel();
    const { tokenBytes } = other;
    other.tokenBytes = (id) => tokenBytes(id === 3 ? 4 : id);
    expect((await visit(store, { settings: { tenant: 'alice' }, model: other })).guess(ANSWER)).toBeNull();
    const renamed = createByteModel({ id: 'another model' });
    const found = await visit(store, { settings: { tenant: 'alice' }, model: renamed });
    expect(found.guess(ANSWER)).toBe(rest(ANSWER));
  });

  test.each([{ isUsed: false }, { settings: { prefixBytes: 0 } }])(
    'nothing is kept, and nothing that was kept is used, with %o',
    async (off) => {
      const { store } = await stored();
      const tab = await visit(store, off);
      expect(tab.guess(ANSWER)).toBeNull();
      tab.add(OTHER);
      await tab.settle();
      expect(store.records.size).toBe(1);
      await tab.outputs.clear(false);
      expect(store.records.size).toBe(0);
    },
  );
});

describe('deleting', () => {
  test("takes this tenant's, or everybody's, for every model", async () => {
    const store = createMemoryOutputs();
    const open = async (tenant: string, text: string): Promise<Visit> => {
      const tab = await visit(store, { settings: { tenant } });
      tab.add(text);
      await tab.settle();
      return tab;
    };
    const alice = await open('alice', ANSWER);
    await open('bob', OTHER);
    await alice.outputs.clear(false);
    expect([await holds(store, 'red lanterns', KEPT), await holds(store, 'the clock', KEPT)]).toEqual([
      false,
      true,
    ]);
    expect(alice.guess(ANSWER)).toBeNull();
    await alice.outputs.clear(true);
    expect(store.records.size).toBe(0);
  });

  test('takes what waits to be written with it, and what is being read', async () => {
    const { store } = await stored();
    const tab = await visit(store);
    tab.add(OTHER);
    await tab.outputs.clear(false);
    await tab.settle();
    expect([store.records.size, tab.guess(OTHER), tab.guess(ANSWER)]).toEqual([0, null, null]);

    const again = await stored();
    const reading = open(again.store, {});
    const { read } = again.store;
    again.store.read = async (keys) => {
      const records = await read(keys);
      await reading.outputs.clear(false);
      return records;
    };
    await reading.settle();
    expect([again.store.records.size, reading.guess(ANSWER)]).toEqual([0, null]);
  });

  test('while an answer is being written takes that too', async () => {
    const store = createMemoryOutputs();
    const tab = await visit(store);
    store.before = async (call) => {
      if (call !== 'keys') return;
      store.before = () => {};
      await tab.outputs.clear(false);
    };
    tab.add(ANSWER);
    await tab.settle();
    expect(store.records.size).toBe(0);
  });

  test('says so when it cannot', async () => {
    const { store } = await stored();
    const tab = await visit(store);
    store.before = () => {
      throw new DOMException('gone', 'InvalidStateError');
    };
    await expect(tab.outputs.clear(false)).rejects.toThrow('gone');
    expect(tab.guess(ANSWER)).toBeNull();
  });
});
