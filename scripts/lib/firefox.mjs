/**
 * Firefox from Debian's packages, without a driver: it is started with an address, and the page does the rest. A profile is a
 * folder: what the browser keeps, it keeps there.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from './program.mjs';

const FIREFOX = '/usr/bin/firefox-esr';

/** No questions, no first-run pages, nothing that talks to the network by itself. */
const PREFERENCES = {
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

/** Path of Firefox, or undefined when there is none. */
export function findFirefox() {
  return existsSync(FIREFOX) ? FIREFOX : undefined;
}

/** Opens `url` as the user of `profile`, a folder. @param {string} url @param {string} profile */
export function startFirefox(url, profile) {
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  writeFileSync(join(profile, 'user.js'), lines.join('\n'));
  return startProgram(FIREFOX, ['--headless', '--no-remote', '--profile', profile, url], { HOME: profile });
}
