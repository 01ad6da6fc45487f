/**
 * Serves folders of files over HTTP with what the library asks of a server: the two headers that isolate a
 * page (threads need shared memory, and shared memory needs isolation), byte ranges (a broken download is
 * resumed) and an ETag (so that it is resumed only when the file is still the same). For development and
 * tests, on this machine only.
 */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.gguf': 'application/octet-stream',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * Starts a server; port 0 takes any free one.
 * @param {{ mounts: readonly (readonly [prefix: string, folder: string])[], port?: number, isolated?: boolean }}
 *   options `mounts` are tried in order: the first whose URL prefix fits and which has the file serves it.
 * @returns {Promise<{ address: string, port: number, close(): Promise<void> }>}
 */
export function serveFolders({ mounts, port = 0, isolated = true }) {
  const headers = isolated ? isolationHeaders : {};
  const server = createServer((request, response) => {
    const found = locate(request, mounts);
    if (found === undefined) return void response.writeHead(404, headers).end('Not found\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return void response.writeHead(405, { ...headers, Allow: 'GET, HEAD' }).end();
    }
    sendFile(request, response, found, headers);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, 'localhost', () => {
      const taken = server.address().port;
      resolve({
        address: `http://localhost:${taken}`,
        port: taken,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

function locate(request, mounts) {
  let path;
  try {
    path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  } catch {
    return undefined;
  }
  for (const [prefix, folder] of mounts) {
    if (!path.startsWith(prefix)) continue;
    let file = normalize(join(folder, path.slice(prefix.length)));
    if (file !== normalize(folder) && !file.startsWith(normalize(folder + sep))) continue;
    let status = statSync(file, { throwIfNoEntry: false });
    if (status?.isDirectory()) {
      file = join(file, 'index.html');
      status = statSync(file, { throwIfNoEntry: false });
    }
    if (status?.isFile()) return { file, size: status.size, modified: status.mtimeMs };
  }
  return undefined;
}

function sendFile(request, response, { file, size, modified }, headers) {
  const etag = `"${size.toString(16)}-${Math.trunc(modified).toString(16)}"`;
  const common = {
    ...headers,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-cache',
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    ETag: etag,
  };
  const range = wantedRange(request, etag, size);
  if (range === 'unsatisfiable') {
    return void response.writeHead(416, { ...common, 'Content-Range': `bytes */${size}` }).end();
  }
  if (range === undefined && request.headers['if-none-match'] === etag) {
    return void response.writeHead(304, common).end();
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const partial = range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {};
  response.writeHead(range ? 206 : 200, { ...common, ...partial, 'Content-Length': end - start + 1 });
  if (request.method === 'HEAD' || size === 0) return void response.end();
  const stream = createReadStream(file, { start, end });
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}

/** One range as RFC 9110 has it. Several, or another unit, are ignored: the whole file is a valid answer. */
function wantedRange(request, etag, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  if (condition !== undefined && condition !== etag) return undefined;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}
