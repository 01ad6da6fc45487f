/**
 * The page's one door: every byte that the library sends from the page passes here, to the app's own origin too. What the
 * decision does not cover does not pass: another host, a class that it does not name, anything forbidden in what is really
 * about to be sent. What passes is counted and written into the ledger; so is what does not.
 *
 * Behind a redirect there may be anybody, so that it is an error; cookies and the page's address are not sent along.
 */
import { SelvedgeError } from '../errors.ts';
import { bodyTexts } from './body-texts.ts';
import type { EgressRequest } from './egress-request.ts';
import type { Ledger } from './ledger.ts';

export interface Egress {
  /** Rejects with `egress_refused`, with what `fetch` rejects with, or with the signal's reason. */
  send(request: EgressRequest): Promise<Response>;
}

export interface EgressParts {
  ledger: Ledger;
  fetch?: typeof fetch | undefined;
}

/** Those that the protocol needs. */
const HEADERS = new Set([
  'accept',
  'api-key',
  'authorization',
  'content-type',
  'idempotency-key',
  'x-api-key',
]);

export function createEgress({ ledger, fetch: send = (...call) => fetch(...call) }: EgressParts): Egress {
  return {
    async send(request) {
      const { url, method, headers, body, signal, purpose, cover } = request;
      signal?.throwIfAborted();
      const host = URL.canParse(url) ? new URL(url).host : '';
      const row = { purpose, host, labels: [...cover.classes], decisionId: cover.decisionId };
      const objection = objectionTo(request);
      if (objection !== null) {
        ledger.wrote({ ...row, outcome: 'refused', bytes: 0 });
        throw refused(request, host, objection);
      }
      ledger.wrote({ ...row, outcome: 'sent', bytes: bytesOf(request) });
      return send(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        ...(signal ? { signal } : {}),
        redirect: 'error',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
      });
    },
  };
}

/** Why it may not leave, in words without its content; null if it may. */
function objectionTo({ url, method, headers, body, cover }: EgressRequest): string | null {
  if (!URL.canParse(url)) return 'its address is no URL';
  const { origin, protocol, username, password } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return `${protocol} is not HTTP`;
  if (username !== '' || password !== '') return 'its address has a password';
  if (!cover.hosts.includes(origin)) return 'the decision does not name this host';
  if (cover.classes.includes('secret')) return 'what is secret never leaves';
  if (method !== 'POST' && body !== undefined) return `a ${method} has no body`;
  const unknown = Object.keys(headers).find((name) => !HEADERS.has(name.toLowerCase()));
  if (unknown !== undefined) return `the header '${unknown}' is not one of those that may leave`;
  const { contents, protocol: words } = bodyTexts(body ?? '');
  const address = [url, ...Object.values(headers)].join('\n');
  for (const text of [contents, words, address]) {
    const found = cover.forbidden.find(text);
    if (found !== null) return `it has ${found}`;
  }
  return null;
}

function refused({ purpose, cover }: EgressRequest, host: string, objection: string): SelvedgeError {
  return new SelvedgeError(
    'egress_refused',
    `Nothing was sent to '${host}': ${objection}. Ask the local model, or declassify it first.`,
    { details: { purpose, host, decisionId: cover.decisionId, objection } },
  );
}

function bytesOf({ url, method, headers, body = '' }: EgressRequest): number {
  const lines = [`${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  const head = lines.join('\r\n');
  return new TextEncoder().encode(head).length + new TextEncoder().encode(body).length;
}
