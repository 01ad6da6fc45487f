/**
 * Page and worker are two TypeScript programs. Shown by what must not compile: the DOM in the worker, the
 * worker's globals on the page, and either of them in what both share.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';

const folder = mkdtempSync(join(tmpdir(), 'selvedge-programs-'));
for (const file of ['tsconfig.base.json', 'tsconfig.page.json', 'tsconfig.worker.json']) {
  cpSync(join(root, file), join(folder, file));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const usesDom = 'export const title = document.title;\n';
const usesWorker = 'export type Handle = FileSystemSyncAccessHandle;\n';

it.each(['engine', 'speculation', 'model', 'backend', 'storage'])(
  'the DOM does not compile in src/%s',
  (room) => {
    expect(errorsOf('worker', `src/${room}/a.ts`, usesDom)).toContain("Cannot find name 'document'");
  },
);

it('the DOM does not compile in rpc/serve.ts and in worker entries', () => {
  expect(errorsOf('worker', 'src/rpc/serve.ts', usesDom)).toContain("Cannot find name 'document'");
  expect(errorsOf('worker', 'workers/a.ts', usesDom)).toContain("Cannot find name 'document'");
});

it("a worker's globals do not compile on the page", () => {
  expect(errorsOf('page', 'src/client/a.ts', usesWorker)).toContain(
    "Cannot find name 'FileSystemSyncAccessHandle'",
  );
  expect(errorsOf('page', 'src/index.ts', usesWorker)).toContain(
    "Cannot find name 'FileSystemSyncAccessHandle'",
  );
  expect(errorsOf('page', 'public/a.ts', usesWorker)).toContain(
    "Cannot find name 'FileSystemSyncAccessHandle'",
  );
});

it('what both share compiles in both, so it may use neither', () => {
  expect(errorsOf('worker', 'src/rpc/protocol.ts', usesDom)).toContain("Cannot find name 'document'");
  expect(errorsOf('page', 'src/rpc/protocol.ts', usesWorker)).toContain('FileSystemSyncAccessHandle');
});

it('each compiles what is its own', () => {
  expect(errorsOf('page', 'src/client/a.ts', usesDom)).toBe('');
  expect(errorsOf('worker', 'src/storage/a.ts', usesWorker)).toBe('');
});

/** Compiles one file alone in one of the programs; returns what the compiler says about it. */
function errorsOf(program: 'page' | 'worker', path: string, code: string): string {
  for (const part of ['src', 'workers', 'public'])
    rmSync(join(folder, part), { recursive: true, force: true });
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), code);
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  try {
    execFileSync(process.execPath, [tsc, '--project', join(folder, `tsconfig.${program}.json`)], {
      encoding: 'utf8',
    });
    return '';
  } catch (error) {
    return String((error as { stdout: string }).stdout);
  }
}
