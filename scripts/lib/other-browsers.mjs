/**
 * Installs Firefox and WebKitGTK from Debian's packages, when run as root. Where that cannot be, their tests are skipped by
 * name, so this only says what to run.
 */
import { existsSync } from 'node:fs';
import { isInstalled, run } from './command.mjs';

const PACKAGES = ['firefox-esr', 'libvpx7', 'webkit2gtk-driver', 'xvfb'];
const PROGRAMS = ['/usr/bin/firefox-esr', '/usr/bin/WebKitWebDriver', '/usr/bin/Xvfb'];

export async function ensureOtherBrowsers() {
  if (PROGRAMS.every((path) => existsSync(path))) return;
  const command = ['install', '-y', '--no-install-recommends', ...PACKAGES];
  if (process.getuid?.() === 0 && isInstalled('apt-get')) {
    console.log('Installing Firefox and WebKitGTK …');
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update', '-q'], { env });
    if ((await run('apt-get', command, { env })) === 0) return;
  }
  console.warn(`Tests of browsers that are missing are skipped. Run "sudo apt-get ${command.join(' ')}".`);
}
