/** What all `ContentKeys` must do. `open` gives the same keys at every call, as two tabs see them. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { ContentKeys } from '../../src/storage/content-keys.ts';
import { tenantTag } from '../../src/storage/prefix-keys.ts';

const [ALICE, BOB] = [tenantTag('alice'), tenantTag('bob')];

export function describeContentKeys(name: string, open: () => Promise<ContentKeys>): void {
  describe(`content keys ${name}`, () => {
    beforeEach(async () => (await open()).removeAll());

    test('a tenant has one key of 32 bytes, whoever asks, and another has another', async () => {
      const [one, other] = [await open(), await open()];
      const [first, second, bobs] = await Promise.all([one.take(ALICE), other.take(ALICE), one.take(BOB)]);
      expect(first).toHaveLength(32);
      expect(second).toEqual(first);
      expect(await one.take(ALICE)).toEqual(first);
      expect(bobs).not.toEqual(first);
    });

    test('after it was removed there is another one, and those of others stay', async () => {
      const keys = await open();
      const [alices, bobs] = [await keys.take(ALICE), await keys.take(BOB)];
      await (await open()).remove(ALICE);
      const next = await keys.take(ALICE);
      expect(next).not.toEqual(alices);
      expect(await (await open()).take(ALICE)).toEqual(next);
      expect(await keys.take(BOB)).toEqual(bobs);
    });

    test('all are removed together, and none can be removed', async () => {
      const keys = await open();
      const before = [await keys.take(ALICE), await keys.take(BOB)];
      await keys.removeAll();
      await keys.remove(ALICE);
      expect([await keys.take(ALICE), await keys.take(BOB)]).not.toContainEqual(before[0]);
      expect([await keys.take(ALICE), await keys.take(BOB)]).not.toContainEqual(before[1]);
    });
  });
}
