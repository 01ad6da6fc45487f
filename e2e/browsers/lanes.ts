/**
 * Browsers beside Chromium, from Debian's packages, without a driver: a lane starts the program with an address, and the
 * page says by itself what came of it (visits.ts). A profile is a folder: what a browser keeps, it keeps there, so the next
 * visit with the same folder is the same user's.
 */
import { existsSync, readdirSync } from 'node:fs';
import { chromiumFlags, findChromium } from '../../scripts/lib/chromium.mjs';
import { findFirefox, startFirefox } from '../../scripts/lib/firefox.mjs';
import { startProgram } from '../../scripts/lib/program.mjs';

export interface Lane {
  name: string;
  /** Opens `url` as the user of `profile`. */
  open(url: string, profile: string): Visitor;
}

export interface Visitor {
  /** Resolves when the program is gone, so that its profile may be used again. */
  close(): Promise<void>;
}

const XVFB = '/usr/bin/Xvfb';

/** What there is for comparison: the browser of all other tests. */
export function chromiumLane(): Lane | undefined {
  const program = findChromium();
  if (!program) return undefined;
  return {
    name: 'Chromium',
    open: (url, profile) =>
      startProgram(program, [...chromiumFlags, '--headless=new', `--user-data-dir=${profile}`, url], {}),
  };
}

export function firefoxLane(): Lane | undefined {
  return findFirefox() ? { name: 'Firefox', open: startFirefox } : undefined;
}

/** WebKitGTK's own small browser. It has no headless mode, so it gets a screen that nobody sees. */
export function webkitLane(): Lane | undefined {
  const program = findMiniBrowser();
  if (!program || !existsSync(XVFB)) return undefined;
  return {
    name: 'WebKitGTK',
    open(url, profile) {
      const display = `:${100 + (process.pid % 400)}`;
      const screen = startProgram(XVFB, [display, '-screen', '0', '800x600x24', '-nolisten', 'tcp'], {});
      const folders = {
        HOME: profile,
        XDG_DATA_HOME: profile,
        XDG_CACHE_HOME: profile,
        XDG_CONFIG_HOME: profile,
      };
      const browser = startProgram(program, [url], {
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
