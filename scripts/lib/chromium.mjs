/**
 * Finds or installs the Chromium that runs the browser tests. Debian's own build is preferred, because it
 * comes with all its libraries; set SELVEDGE_CHROMIUM to use another one.
 */
import { existsSync } from 'node:fs';
import { isInstalled, run } from './command.mjs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const PACKAGES = ['chromium', 'fonts-dejavu-core'];

/** No sandbox, since containers run as root; nothing that talks to the network by itself. */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];

/** WebGPU on SwiftShader, a GPU in software that every machine has: right or wrong as any other, but slow. */
export const softwareGpuFlags = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
];

/** Path of a Chromium, or undefined when there is none. */
export function findChromium() {
  const chosen = process.env.SELVEDGE_CHROMIUM;
  if (chosen && !existsSync(chosen))
    throw new Error(`SELVEDGE_CHROMIUM names ${chosen}, which is not there.`);
  return chosen ?? PLACES.find((path) => existsSync(path));
}

/** Returns the path of a Chromium, installing Debian's when run as root. Else throws with the command to run. */
export async function ensureChromium() {
  const present = findChromium();
  if (present) return present;
  const command = `apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && isInstalled('apt-get')) {
    console.log('Installing Chromium …');
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update', '-q'], { env });
    await run('apt-get', command.split(' ').slice(1), { env });
    const installed = findChromium();
    if (installed) return installed;
  }
  throw new Error(
    `The browser tests need Chromium. Run "sudo ${command}", or set SELVEDGE_CHROMIUM to its path.`,
  );
}
