/**
 * Packs the library as it would be published and installs the tarball into a fresh folder. No registry is
 * asked: what the package depends on is taken from this repository's node_modules.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultModel } from '../../scripts/lib/model.mjs';
import { modelsFolder, root } from '../../scripts/lib/paths.mjs';

export const modelUrl = `/models/${defaultModel.name}`;
export const hasModel = existsSync(join(modelsFolder, defaultModel.name));

/** A new folder outside the repository, removed by whoever asked for it. */
export function freshFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `selvedge-${name}-`));
}

/** Runs `npm pack` on the built library; returns the tarball's path and the files in it. */
export function packLibrary(folder: string): { tarball: string; files: string[] } {
  const output = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [packed] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(folder, packed.filename), files: packed.files.map((file) => file.path) };
}

/** Makes `folder` an app that depends on the tarball, and puts the models at /models. */
export function installInto(folder: string, tarball: string): void {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const local = Object.keys(dependencies).map((name) => [name, `file:${join(root, 'node_modules', name)}`]);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      name: 'consumer',
      private: true,
      type: 'module',
      dependencies: { ...Object.fromEntries(local), selvedge: `file:${tarball}` },
    }),
  );
  npm(['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--install-links'], folder);
  symlinkSync(modelsFolder, join(folder, 'models'));
}

function npm(npmArguments: string[], cwd: string): string {
  return execFileSync('npm', npmArguments, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
