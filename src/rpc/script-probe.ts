/**
 * Why a worker's script did not load. The browser gives an error event without a message, so the page asks for
 * the script's status itself and turns it into something that can be acted on.
 */
import { SelvedgeError } from '../errors.ts';

export async function explainScriptFailure(scriptUrl: string | undefined): Promise<SelvedgeError> {
  const script = scriptUrl ?? 'the given worker';
  const [status, reason] = scriptUrl === undefined ? [0, 'it is not known why.'] : await probe(scriptUrl);
  return new SelvedgeError(
    'worker_crashed',
    `The engine worker's script could not be loaded (${script}): ${reason} ` +
      `Serve dist/workers/engine.js from your own origin and pass its address as workerUrl.`,
    { details: { scriptUrl: scriptUrl ?? null, status } },
  );
}

async function probe(scriptUrl: string): Promise<[status: number, reason: string]> {
  try {
    // The one request outside the download's door: it reads no body, only whether the script is there.
    // oxlint-disable-next-line house/one-door-for-bytes
    const response = await fetch(scriptUrl, { method: 'HEAD', credentials: 'same-origin' });
    if (!response.ok) return [response.status, `the server answers ${response.status}.`];
    const type = response.headers.get('content-type') ?? 'none';
    if (!/javascript|ecmascript/.test(type)) {
      return [response.status, `its content type is '${type}', not JavaScript.`];
    }
    const why =
      'it is there, so it failed to start: look for a Content-Security-Policy (worker-src) that forbids it,';
    return [response.status, `${why} or a missing Cross-Origin-Embedder-Policy header on an isolated page.`];
  } catch (error) {
    return [0, `it cannot be reached (${error instanceof Error ? error.message : String(error)}).`];
  }
}
