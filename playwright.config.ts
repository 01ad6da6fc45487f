/**
 * End-to-end tests in Chromium: `behaviour` uses the demo page, `package` installs the packed library
 * elsewhere. Both need `npm run build` first, which `npm test` does. One worker, so that a test never competes
 * with another for the processor.
 */
import { defineConfig } from '@playwright/test';
import { chromiumFlags, findChromium } from './scripts/lib/chromium.mjs';

const port = 41730;
const executablePath = findChromium();

export default defineConfig({
  outputDir: 'test-results',
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 120_000,
  reporter: 'list',
  use: {
    baseURL: `http://localhost:${port}`,
    launchOptions: { args: chromiumFlags, ...(executablePath ? { executablePath } : {}) },
  },
  webServer: {
    command: `node scripts/serve.mjs --port ${port} --strict-port`,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
  },
  projects: [
    { name: 'behaviour', testDir: 'e2e/behaviour' },
    { name: 'package', testDir: 'test/package', testMatch: '**/*.spec.ts' },
  ],
});
