import { describe, expect, test, vi } from 'vitest';
import { createMemoryKeys } from '../../test/fakes/memory-keys.ts';
import { keyRule, openRule, passphraseRule } from './content-rule.ts';

const salt = new Uint8Array(16).fill(3);
const key = new Uint8Array(32).fill(4);
const content = new TextEncoder().encode('the canary sings at midnight');
const rule = (passphrase: string, of = salt): ReturnType<typeof passphraseRule> =>
  passphraseRule(passphrase, of, 1000);

test('without a passphrase everything but a secret may be written, and not as it is', async () => {
  const one = await keyRule(key);
  expect((['public', 'personal', 'secret'] as const).map(one.mayKeep)).toEqual([true, true, false]);
  const stored = await one.seal(content, 'name');
  expect(Buffer.from(stored).includes('canary')).toBe(false);
  expect(await (await keyRule(key)).open(stored.buffer, 'name')).toEqual(content);
  expect(await (await keyRule(salt)).open(stored.buffer, 'name')).toBeUndefined();
});

test('with one everything may, and what is written can be opened by it alone', async () => {
  const one = await rule('one');
  expect((['public', 'personal', 'secret'] as const).map(one.mayKeep)).toEqual([true, true, true]);
  const stored = await one.seal(content, 'name');
  expect(Buffer.from(stored).includes('canary')).toBe(false);
  expect(await (await rule('one')).open(stored.buffer, 'name')).toEqual(content);
  expect(await (await rule('other')).open(stored.buffer, 'name')).toBeUndefined();
  expect(await (await rule('one', new Uint8Array(16))).open(stored.buffer, 'name')).toBeUndefined();
});

test('what is changed, cut, or under another name does not open', async () => {
  const one = await rule('one');
  const stored = await one.seal(content, 'name');
  expect(await one.open(stored.buffer, 'other')).toBeUndefined();
  for (let at = 0; at < stored.length; at++) {
    const changed = stored.map((byte, i) => (i === at ? byte ^ 1 : byte));
    expect(await one.open(changed.buffer, 'name'), `byte ${at}`).toBeUndefined();
  }
  for (const length of [0, 5, 12, 20, stored.length - 1]) {
    expect(await one.open(stored.slice(0, length).buffer, 'name')).toBeUndefined();
  }
});

test.each([undefined, null, 'text', 7, { byteLength: 40 }, new Uint8Array(40)])(
  '%o does not open',
  async (stored) => {
    expect(await (await keyRule(key)).open(stored, 'name')).toBeUndefined();
  },
);

test('the same content is never sealed to the same bytes', async () => {
  const one = await rule('one');
  expect(await one.seal(content, 'name')).not.toEqual(await one.seal(content, 'name'));
});

test('names are made with a secret of the passphrase, the same at every visit', async () => {
  const [one, again, other] = [await rule('one'), await rule('one'), await rule('other')];
  expect(one.nameSecret).toMatch(/^[0-9a-f]{64}$/);
  expect(again.nameSecret).toBe(one.nameSecret);
  expect(other.nameSecret).not.toBe(one.nameSecret);
});

test('a passphrase is the same however its letters are composed', async () => {
  expect((await rule('\u00e9')).nameSecret).toBe((await rule('e\u0301')).nameSecret);
});

describe('a rule of a browser', () => {
  const keys = createMemoryKeys();
  const open = (tenant: string, passphrase: string | null = null): ReturnType<typeof openRule> =>
    openRule({ openKeys: async () => keys, tenant, passphrase });

  test('is the same at every visit, and another for another tenant', async () => {
    const stored = await (await open('alice'))!.seal(content, 'name');
    expect(await (await open('alice'))!.open(stored.buffer, 'name')).toEqual(content);
    expect((await open('alice'))!.nameSecret).toBe((await open('alice'))!.nameSecret);
    expect(await (await open('bob'))!.open(stored.buffer, 'name')).toBeUndefined();
    expect((await open('bob'))!.nameSecret).not.toBe((await open('alice'))!.nameSecret);
  });

  test.each([null, 'correct horse'])(
    'opens nothing from before it was renewed, nor does any other, nor do names tell: passphrase %o',
    async (passphrase) => {
      const one = (await open('carol', passphrase))!;
      const others = (await open('bob', passphrase))!;
      const [stored, theirs] = [await one.seal(content, 'name'), await others.seal(content, 'name')];
      const secret = one.nameSecret;
      await one.renew(false);
      expect(await one.open(stored.buffer, 'name')).toBeUndefined();
      expect(await (await open('carol', passphrase))!.open(stored.buffer, 'name')).toBeUndefined();
      expect(one.nameSecret).not.toBe(secret);
      expect(await one.open((await one.seal(content, 'name')).buffer, 'name')).toEqual(content);
      expect(await (await open('bob', passphrase))!.open(theirs.buffer, 'name')).toEqual(content);
      await one.renew(true);
      expect(await (await open('bob', passphrase))!.open(theirs.buffer, 'name')).toBeUndefined();
    },
  );

  test('is renewed even if there is no room for a new key, and not if the old one stays', async () => {
    const full = createMemoryKeys();
    const one = (await openRule({ openKeys: async () => full, tenant: 'alice', passphrase: null }))!;
    const stored = await one.seal(content, 'name');
    full.before = (call) => {
      if (call === 'take') throw new DOMException('full', 'QuotaExceededError');
    };
    await one.renew(false);
    expect(full.keys.size).toBe(0);
    expect(await one.open(stored.buffer, 'name')).toBeUndefined();
    expect(await one.open((await one.seal(content, 'name')).buffer, 'name')).toEqual(content);
    full.before = (call) => {
      if (call === 'remove') throw new DOMException('gone', 'InvalidStateError');
    };
    await expect(one.renew(false)).rejects.toThrow('gone');
  });

  test('is none where there is no place for keys, or it fails', async () => {
    const none = { tenant: 'alice', passphrase: null };
    expect(await openRule({ ...none, openKeys: async () => undefined })).toBeUndefined();
    expect(await openRule({ ...none, openKeys: () => Promise.reject(new Error('gone')) })).toBeUndefined();
    const failing = createMemoryKeys();
    failing.before = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    expect(await openRule({ ...none, openKeys: async () => failing })).toBeUndefined();
  });

  test('is none without WebCrypto, and who has given a passphrase is told', async () => {
    vi.stubGlobal('crypto', {});
    expect(await open('alice')).toBeUndefined();
    await expect(open('alice', 'one')).rejects.toMatchObject({ code: 'unsupported_device' });
    vi.unstubAllGlobals();
  });
});
