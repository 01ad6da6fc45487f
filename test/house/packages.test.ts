/** When `npm start` and `npm test` install packages, and when they leave them alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packagesAreCurrent } from '../../scripts/lib/packages.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-packages-'));
  mkdirSync(join(folder, 'node_modules'));
  write('package-lock.json', {
    '': { name: 'app' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/for-another-system': { version: '1.0.0', optional: true },
  });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, packages: object): void {
  writeFileSync(join(folder, file), JSON.stringify({ packages }));
}

describe('installed packages', () => {
  it('are current when each is there in its version, optional ones aside', () => {
    write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.0.0' } });
    expect(packagesAreCurrent(folder)).toBe(true);
  });

  it('are not current when one is missing or has another version', () => {
    write('node_modules/.package-lock.json', {});
    expect(packagesAreCurrent(folder)).toBe(false);
    write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.0.1' } });
    expect(packagesAreCurrent(folder)).toBe(false);
  });

  it('are not current when nothing was ever installed', () => {
    expect(packagesAreCurrent(folder)).toBe(false);
  });
});
