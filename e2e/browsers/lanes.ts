/**
 * Browsers beside Chromium, from Debian's packages, without a driver: a lane starts the program with an address, and the
 * page says by itself what came of it (visits.ts). A profile is a folder: what a browser keeps, it keeps there, so the next
 * visit with the same folder is the same user's.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';

export interface Lane {
  name: string;
  /** Opens `url` as the user of `profile`. */
  open(url: string, profile: string): Visitor;
}

export interface Visitor {
  /** Resolves when the program is gone, so that its profile may be used again. */
  close(): Promise<void>;
}

const FIREFOX = '/usr/bin/firefox-esr';
const XVFB = '/usr/bin/Xvfb';

/** No questions, no first-run pages, nothing that talks to the network by itself. */
const FIREFOX_PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': '',
  'toolkit.telemetry.unified': false,
};

/** What there is for comparison: the browser of all other tests. */
export function chromiumLane(): Lane | undefined {
  const program = findChromium();
  if (!program) return undefined;
  return {
    name: 'Chromium',
    open: (url, profile) =>
      start(program, [...chromiumFlags, '--headless=new', `--user-data-dir=${profile}`, url], {}),
  };
}

export function firefoxLane(): Lane | undefined {
  if (!existsSync(FIREFOX)) return undefined;
  return {
    name: 'Firefox',
    open(url, profile) {
      const lines = Object.entries(FIREFOX_PREFERENCES).map(
        ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
      );
      writeFileSync(join(profile, 'user.js'), lines.join('\n'));
      return start(FIREFOX, ['--headless', '--no-remote', '--profile', profile, url], { HOME: profile });
    },
  };
}

/** WebKitGTK's own small browser. It has no headless mode, so it gets a screen that nobody sees. */
export function webkitLane(): Lane | undefined {
  const program = findMiniBrowser();
  if (!program || !existsSync(XVFB)) return undefined;
  return {
    name: 'WebKitGTK',
    open(url, profile) {
      const display = `:${100 + (process.pid % 400)}`;
      const screen = start(XVFB, [display, '-screen', '0', '800x600x24', '-nolisten', 'tcp'], {});
      const folders = {
        HOME: profile,
        XDG_DATA_HOME: profile,
        XDG_CACHE_HOME: profile,
        XDG_CONFIG_HOME: profile,
      };
      const browser = start(program, [url], {
        ...folders,
        DISPLAY: display,
        WEBKIT_DISABLE_COMPOSITING_MODE: '1',
        LIBGL_ALWAYS_SOFTWARE: '1',
      });
      return {
        async close() {
          await browser.close();
          await screen.close();
        },
      };
    },
  };
}

/** Debian puts it into a folder of the processor's and the library's version. */
function findMiniBrowser(): string | undefined {
  return readdirSync('/usr/lib')
    .flatMap((triple) =>
      ['4.1', '4.0'].map((version) => `/usr/lib/${triple}/webkit2gtk-${version}/MiniBrowser`),
    )
    .find((path) => existsSync(path));
}

function start(program: string, programArguments: string[], environment: Record<string, string>): Visitor {
  // A group of its own: browsers are many processes.
  const child = spawn(program, programArguments, {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...environment },
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    async close() {
      signal(child, 'SIGTERM');
      const patience = setTimeout(() => signal(child, 'SIGKILL'), 5000);
      await gone;
      clearTimeout(patience);
    },
  };
}

function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended by itself.
  }
}
