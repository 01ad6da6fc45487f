/**
 * Installs npm packages when they are missing or are not those of the lock file. npm writes what it
 * installed into node_modules/.package-lock.json; comparing the two files costs milliseconds.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './command.mjs';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/**
 * Makes `folder`/node_modules agree with `folder`/package-lock.json. Throws when npm fails. `npm ci` insists that
 * the lock file names every optional package of every platform; where a registry lacks some of them that can
 * never be, and with `lenient` npm installs what the lock file has and leaves it as it is.
 */
export async function ensurePackages(folder, { lenient = false } = {}) {
  if (packagesAreCurrent(folder)) return;
  console.log(`Installing the packages of ${folder} …`);
  const command = lenient ? ['install', '--no-save'] : ['ci'];
  await mustRun('install the npm packages', npm, [...command, '--no-audit', '--no-fund'], { cwd: folder });
}

/** Whether every package of the lock file is installed in its version. Optional ones may be absent. */
export function packagesAreCurrent(folder) {
  const installedFile = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = readLock(join(folder, 'package-lock.json'));
  const installed = readLock(installedFile);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true;
    const found = installed[path];
    return found ? found.version === entry.version : entry.optional === true || entry.peer === true;
  });
}

function readLock(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}
