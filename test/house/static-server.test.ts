/** The server of `npm start`: isolation, ranges and nothing outside its folders. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFolders } from '../../scripts/lib/static-server.mjs';

const folder = mkdtempSync(join(tmpdir(), 'selvedge-serve-'));
let server: Awaited<ReturnType<typeof serveFolders>>;

beforeAll(async () => {
  mkdirSync(join(folder, 'page'));
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'page', 'index.html'), '<title>page</title>');
  writeFileSync(join(folder, 'models', 'm.gguf'), '0123456789');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  const mounts: [string, string][] = [
    ['/models/', join(folder, 'models')],
    ['/', join(folder, 'page')],
  ];
  server = await serveFolders({ mounts });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(server.address + path, { headers });

describe('the server', () => {
  it('isolates the page, so that threads can share memory', async () => {
    const { headers } = await get('/');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(headers.get('content-type')).toContain('text/html');
  });

  it('sends the bytes of a range and says which they are', async () => {
    const response = await get('/models/m.gguf', { Range: 'bytes=3-5' });
    expect([response.status, await response.text()]).toEqual([206, '345']);
    expect(response.headers.get('content-range')).toBe('bytes 3-5/10');
    expect(await (await get('/models/m.gguf', { Range: 'bytes=8-' })).text()).toBe('89');
    expect(await (await get('/models/m.gguf', { Range: 'bytes=-4' })).text()).toBe('6789');
    expect(await (await get('/models/m.gguf', { Range: 'bytes=5-99' })).text()).toBe('56789');
  });

  it('refuses a range that starts behind the end', async () => {
    const response = await get('/models/m.gguf', { Range: 'bytes=10-' });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
  });

  it('sends all of a file when it is no longer the one that was begun', async () => {
    const etag = (await get('/models/m.gguf')).headers.get('etag') ?? '';
    const same = await get('/models/m.gguf', { Range: 'bytes=3-5', 'If-Range': etag });
    const other = await get('/models/m.gguf', { Range: 'bytes=3-5', 'If-Range': '"other"' });
    expect([same.status, other.status]).toEqual([206, 200]);
  });

  it('answers 404 for what is not there', async () => {
    expect((await get('/models/none.gguf')).status).toBe(404);
    expect((await get('/%E0%A4%A')).status).toBe(404);
  });

  it.each([
    '/../secret.txt',
    '/models/../../secret.txt',
    '/models/%2e%2e/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
  ])('does not leave its folders for %s', async (path) => expect(await statusOfRawPath(path)).toBe(404));
});

/** `fetch` tidies paths before it sends them; an attacker does not. */
function statusOfRawPath(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port: server.port, host: 'localhost', path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
