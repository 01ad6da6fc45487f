import { expect, test, vi } from 'vitest';
import { passphraseRule, plainRule } from './content-rule.ts';

const salt = new Uint8Array(16).fill(3);
const content = new TextEncoder().encode('the canary sings at midnight');
const rule = (passphrase: string, of = salt): ReturnType<typeof passphraseRule> =>
  passphraseRule(passphrase, of, 1000);

test('without a passphrase everything but a secret may be written', () => {
  expect((['public', 'personal', 'secret'] as const).map(plainRule.mayKeep)).toEqual([true, true, false]);
});

test('with one everything may, and what is written can be opened by it alone', async () => {
  const one = await rule('one');
  expect((['public', 'personal', 'secret'] as const).map(one.mayKeep)).toEqual([true, true, true]);
  const stored = await one.seal(content, 'name');
  expect(Buffer.from(stored).includes('canary')).toBe(false);
  expect(await (await rule('one')).open(stored, 'name')).toEqual(content);
  expect(await (await rule('other')).open(stored, 'name')).toBeUndefined();
  expect(await (await rule('one', new Uint8Array(16))).open(stored, 'name')).toBeUndefined();
});

test('what is changed, cut, or under another name does not open', async () => {
  const one = await rule('one');
  const stored = await one.seal(content, 'name');
  expect(await one.open(stored, 'other')).toBeUndefined();
  for (let at = 0; at < stored.length; at++) {
    const changed = stored.map((byte, i) => (i === at ? byte ^ 1 : byte));
    expect(await one.open(changed, 'name'), `byte ${at}`).toBeUndefined();
  }
  for (const length of [0, 5, 12, 20, stored.length - 1]) {
    expect(await one.open(stored.slice(0, length), 'name')).toBeUndefined();
  }
});

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

test('a page without WebCrypto is told', async () => {
  vi.stubGlobal('crypto', {});
  await expect(rule('one')).rejects.toMatchObject({ code: 'unsupported_device' });
  vi.unstubAllGlobals();
});
