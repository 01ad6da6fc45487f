/**
 * Four groups of tests. `unit` runs in Node; `browser` (*.browser.test.ts) runs in Chromium on an isolated
 * page, with WebGPU in software; `long` (*.long.test.ts) is what takes minutes and stays out of `npm test`,
 * and so does `browsers`, the library in browsers of other makers.
 */
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumFlags, findChromium, softwareGpuFlags } from './scripts/lib/chromium.mjs';
import { isolationHeaders } from './scripts/lib/static-server.mjs';

const anywhere = (pattern: string): string[] => [
  `src/**/${pattern}`,
  `test/**/${pattern}`,
  `scripts/**/${pattern}`,
];
const excluded = ['**/node_modules/**', 'dist/**'];
const executablePath = findChromium();

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: anywhere('*.test.ts'),
          exclude: [...excluded, '**/*.browser.test.ts', '**/*.long.test.ts'],
          setupFiles: ['test/seed.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'long',
          include: anywhere('*.long.test.ts'),
          exclude: excluded,
          setupFiles: ['test/seed.ts'],
          testTimeout: 1_800_000,
        },
      },
      {
        test: {
          name: 'browsers',
          include: ['e2e/browsers/*.test.ts'],
          testTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        optimizeDeps: { include: ['comlink', 'idb-keyval', '@huggingface/jinja', 'libphonenumber-js/max'] },
        server: { headers: isolationHeaders },
        test: {
          name: 'browser',
          include: anywhere('*.browser.test.ts'),
          exclude: excluded,
          testTimeout: 60_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: 'chromium' }],
            provider: playwright({
              launchOptions: {
                args: [...chromiumFlags, ...softwareGpuFlags],
                ...(executablePath ? { executablePath } : {}),
              },
            }),
          },
        },
      },
    ],
  },
});
