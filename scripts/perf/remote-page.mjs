/**
 * Calls into a page of a browser that has no driver. The page (e2e/perf/page/remote.js) asks an address for the next call,
 * which is answered when there is one, and posts there what came of it.
 */
import { createServer } from 'node:http';

/** A page that has said nothing for so long is not going to: the slowest call decodes with the slowest peer. */
const PATIENCE_MS = 600_000;

/**
 * `open` is given the address that the page must ask.
 * @param {(address: string) => { close(): Promise<void> }} open
 */
export async function openRemotePage(open) {
  const calls = turnstile();
  const results = turnstile();
  const server = createServer(async (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (request.method === 'POST') {
      const parts = [];
      for await (const part of request) parts.push(part);
      results.put(JSON.parse(Buffer.concat(parts).toString()));
      response.end();
    } else response.end(JSON.stringify(await calls.take()));
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const browser = open(`http://localhost:${server.address().port}/`);
  return {
    /** One at a time. */
    async call(method, callArguments) {
      calls.put({ method, callArguments });
      const { value, error } = await soon(results.take());
      if (error) throw new Error(error);
      return value;
    },
    async close() {
      await browser.close();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

/** What is put in waits until it is taken, and whoever takes waits until something is there. */
function turnstile() {
  const things = [];
  const takers = [];
  return {
    put(thing) {
      const taker = takers.shift();
      if (taker) taker(thing);
      else things.push(thing);
    },
    take: () =>
      things.length > 0
        ? Promise.resolve(things.shift())
        : new Promise((resolve) => {
            takers.push(resolve);
          }),
  };
}

async function soon(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('The page does not answer.')), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
