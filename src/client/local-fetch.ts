/**
 * `client.fetch`: a `fetch` whose server is the local model, for libraries that speak to an OpenAI-compatible
 * address. Nothing leaves the page: it answers /v1/chat/completions, /v1/completions and /v1/models on any host,
 * and refuses every other URL.
 */
import { isRecord } from './checks.ts';
import { CompletionStream } from './completion-stream.ts';
import { httpError, toHttpError } from './http-errors.ts';
import type { HttpError } from './http-errors.ts';
import type { Model, ModelList } from './types.ts';

export interface LocalRoutes {
  createChat(params: unknown, options: { signal: AbortSignal }): Promise<unknown>;
  createText(params: unknown, options: { signal: AbortSignal }): Promise<unknown>;
  listModels(): Promise<ModelList>;
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

type Route = { method: 'GET' | 'POST'; answer: (request: Request) => Promise<Response> };

export function createLocalFetch(routes: LocalRoutes): Fetch {
  return async (input, init) => {
    const request = toRequest(input, init);
    request.signal.throwIfAborted();
    try {
      return await answer(request, routes);
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      return errorResponse(toHttpError(error));
    }
  };
}

/** A body that is a stream needs to be said to be half duplex, which callers of `fetch` may leave to it. */
function toRequest(input: string | URL | Request, init: RequestInit | undefined): Request {
  if (!(init?.body instanceof ReadableStream)) return new Request(input, init);
  const halfDuplex: RequestInit & { duplex: 'half' } = { ...init, duplex: 'half' };
  return new Request(input, halfDuplex);
}

async function answer(request: Request, routes: LocalRoutes): Promise<Response> {
  const { pathname } = new URL(request.url);
  const route = findRoute(pathname, routes);
  if (!route) {
    const known = '/v1/chat/completions, /v1/completions and /v1/models';
    const message = `client.fetch answers ${known}, not ${request.url}. Nothing was sent. Use the global fetch for it.`;
    return errorResponse(httpError(404, message, { code: 'unknown_url' }));
  }
  if (request.method !== route.method) {
    const message = `${pathname} takes ${route.method}, not ${request.method}.`;
    return errorResponse(httpError(405, message, { code: 'method_not_allowed' }), { allow: route.method });
  }
  return route.answer(request);
}

function findRoute(pathname: string, routes: LocalRoutes): Route | undefined {
  const { createChat, createText, listModels } = routes;
  const path = pathname.replace(/\/$/, '');
  if (path === '/v1/chat/completions')
    return { method: 'POST', answer: (request) => complete(request, createChat) };
  if (path === '/v1/completions')
    return { method: 'POST', answer: (request) => complete(request, createText) };
  if (path === '/v1/models') return { method: 'GET', answer: async () => Response.json(await listModels()) };
  const model = /^\/v1\/models\/(.+)$/.exec(path)?.[1];
  if (model === undefined) return undefined;
  return { method: 'GET', answer: async () => findModel(decodeURIComponent(model), await listModels()) };
}

function findModel(id: string, { data }: ModelList): Response {
  const model: Model | undefined = data.find((one) => one.id === id);
  if (model) return Response.json(model);
  return errorResponse(
    httpError(404, `There is no model '${id}'.`, { code: 'model_not_found', param: 'model' }),
  );
}

async function complete(request: Request, create: LocalRoutes['createChat']): Promise<Response> {
  const { signal } = request;
  let params: unknown;
  try {
    params = JSON.parse(await request.text());
  } catch (error) {
    signal.throwIfAborted();
    return errorResponse(httpError(400, `The body is not JSON: ${String(error)}`, { code: 'invalid_json' }));
  }
  const answered = await create(params, { signal });
  if (answered instanceof CompletionStream) return eventStream(answered);
  return Response.json(answered);
}

/** Server-sent events, one chunk each; an error in mid-stream is one too. */
function eventStream(chunks: CompletionStream<unknown>): Response {
  const encoder = new TextEncoder();
  const iterator = chunks[Symbol.asyncIterator]();
  const event = (data: string): Uint8Array<ArrayBuffer> => encoder.encode(`data: ${data}\n\n`);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (!done) {
          controller.enqueue(event(JSON.stringify(value)));
          return;
        }
        controller.enqueue(event('[DONE]'));
        controller.close();
      } catch (error) {
        if (isAbort(error)) {
          controller.error(error);
          return;
        }
        controller.enqueue(event(JSON.stringify(toHttpError(error).body)));
        controller.close();
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
  return new Response(body, { headers });
}

function isAbort(error: unknown): boolean {
  return isRecord(error) && error['name'] === 'AbortError';
}

function errorResponse({ status, body }: HttpError, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers });
}
