import { expect, test } from 'vitest';
import { blockKey, rootKey, tenantTag } from './prefix-keys.ts';

const world = { model: 'm', format: 'f', tenant: 't', secret: 's' };

test('a root says all that keys and values depend on', () => {
  const others = (['model', 'format', 'tenant', 'secret'] as const).map((part) =>
    rootKey({ ...world, [part]: 'x' }),
  );
  const moved = rootKey({ model: 'm', format: '', tenant: 'ft', secret: 's' });
  expect(new Set([rootKey(world), ...others, moved]).size).toBe(6);
  expect(rootKey({ ...world })).toBe(rootKey(world));
});

test('a block says which tokens it holds, in which order, and all before it', () => {
  const root = rootKey(world);
  const keys = [
    blockKey(root, [1, 2]),
    blockKey(root, [2, 1]),
    blockKey(root, [1]),
    blockKey(root, [1, 2, 0]),
    blockKey(root, [258]),
    blockKey(blockKey(root, [1]), [2]),
    blockKey(rootKey({ ...world, tenant: 'x' }), [1, 2]),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys.every((key) => /^[0-9a-f]{64}$/.test(key))).toBe(true);
});

test("a tenant's tag is not its name, and no root", () => {
  expect(tenantTag('somebody')).not.toContain('somebody');
  expect(tenantTag('a')).not.toBe(tenantTag('b'));
});
