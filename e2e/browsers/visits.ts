/**
 * Visits: a page of the built library opened in some browser with a task, and the report it sends back. Two servers show the
 * same files, one with the headers that isolate a page and one without; the model can be taken away, to see what is kept.
 */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from '../../scripts/lib/paths.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { realModelPath } from '../../test/models/real-model.ts';
import type { Lane } from './lanes.ts';
import type { Report, Task } from './tasks.ts';

/** A browser that has said nothing for so long is not going to. */
const PATIENCE_MS = 240_000;

export const modelUrl = `/${basename(realModelPath)}`;

export interface Site {
  /** Puts a file beside the page. */
  add(name: string, bytes: Uint8Array): Promise<void>;
  removeModel(): Promise<void>;
  restoreModel(): Promise<void>;
  visit(lane: Lane, profile: string, task: Task, where?: { isolated: boolean }): Promise<Report>;
  newProfile(): Promise<string>;
  close(): Promise<void>;
}

export async function openSite(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-browsers-'));
  const files = join(folder, 'files');
  const model = join(files, basename(realModelPath));
  await mkdir(files);
  await bundle('e2e/browsers/page.ts', join(files, 'page.js'));
  await bundle('e2e/fixtures/processors/worker.ts', join(files, 'worker.js'));
  await writeFile(
    join(files, 'page.html'),
    '<!doctype html><meta charset="utf-8"><title>busy</title><script type="module" src="page.js"></script>',
  );
  await symlink(realModelPath, model);
  const mounts = [
    ['/dist/', join(root, 'dist')],
    ['/', files],
  ] as const;
  const isolatedServer = await serveFolders({ mounts });
  const openServer = await serveFolders({ mounts, isolated: false });
  const reports = await collectReports();

  return {
    add: (name, bytes) => writeFile(join(files, name), bytes),
    removeModel: () => rm(model),
    restoreModel: () => symlink(realModelPath, model),
    newProfile: () => mkdtemp(join(folder, 'profile-')),
    async visit(lane, profile, task, { isolated } = { isolated: true }) {
      const { address } = isolated ? isolatedServer : openServer;
      const asked = encodeURIComponent(JSON.stringify({ task, reportTo: reports.address }));
      const report = reports.next();
      const visitor = lane.open(`${address}/page.html#${asked}`, profile);
      try {
        return await report;
      } finally {
        await visitor.close();
      }
    },
    async close() {
      await isolatedServer.close();
      await openServer.close();
      await reports.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
    },
  };
}

async function bundle(input: string, file: string): Promise<void> {
  const bundled = await rolldown({ input: join(root, input), platform: 'browser' });
  await bundled.write({ file, format: 'es', codeSplitting: false });
  await bundled.close();
}

/** Pages post their reports across origins, as plain text, which needs no asking first. */
async function collectReports(): Promise<{
  address: string;
  next(): Promise<Report>;
  close(): Promise<void>;
}> {
  let deliver: (report: Report) => void = () => {};
  const server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      response.end();
      if (request.method === 'POST') deliver(JSON.parse(Buffer.concat(parts).toString()) as Report);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return {
    address: `http://localhost:${(server.address() as AddressInfo).port}/`,
    next: () =>
      new Promise((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error('The page has not reported')), PATIENCE_MS);
        deliver = (report) => {
          clearTimeout(patience);
          resolve(report);
        };
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
