import { describe, expect, it } from 'vitest';
import { seeded } from '../../test/models/random.ts';
import type { PrivacyClass } from './classes.ts';
import type { Detection, Finding, FindingKind } from './detection.ts';
import { createEgress } from './egress.ts';
import type { EgressCover, EgressRequest } from './egress-request.ts';
import { createForbidden } from './forbidden.ts';
import type { ForbiddenParts } from './forbidden.ts';
import { createLedger } from './ledger.ts';
import { createTaintStore } from './taint.ts';

const SECRET = 'The vault in Oslo opens with the word heliotrope, said twice.';
const URL = 'https://api.example.com/v1/chat/completions';

interface Sent {
  url: string;
  init: RequestInit;
}

function open(): {
  sent: Sent[];
  ledger: ReturnType<typeof createLedger>;
  send: ReturnType<typeof createEgress>['send'];
} {
  const sent: Sent[] = [];
  const ledger = createLedger(() => 42);
  const fetch = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    sent.push({ url: String(url), init });
    return new Response('{}');
  };
  return { sent, ledger, send: createEgress({ ledger, fetch }).send };
}

const NOTHING: EgressCover['forbidden'] = { find: () => null };

function chat(
  content: unknown,
  more: Partial<EgressRequest> = {},
  cover: Partial<EgressCover> = {},
): EgressRequest {
  return {
    url: URL,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer t' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }),
    purpose: 'chat',
    cover: {
      decisionId: 'd1',
      hosts: ['https://api.example.com'],
      classes: ['public', 'personal'],
      forbidden: NOTHING,
      ...cover,
    },
    ...more,
  };
}

/** Text by text: its class, and what a detector found in it. */
function forbid(
  texts: [text: string, privacy: PrivacyClass, ...found: [FindingKind, string][]][],
  more: Partial<ForbiddenParts> = {},
): EgressCover['forbidden'] {
  const store = createTaintStore({ ledger: createLedger(() => 0), random: seeded(3).below });
  const labelled = store.label(
    texts.map(([text, privacy]) => ({ role: 'user', content: [{ type: 'text', text, privacy }] })),
    { text: 'personal', media: 'secret', request: null },
  );
  const detections = texts.map(([text, , ...found]): Detection => {
    const findings = found.map(([kind, value]): Finding => {
      const start = text.indexOf(value);
      return { start, end: start + value.length, kind, text: value, source: 'pattern', confidence: 1 };
    });
    return { findings, residualRisk: 0 };
  });
  return createForbidden({ store, labelled, detections, terms: [], recognise: () => [], ...more });
}

describe('what is covered passes', () => {
  it("as it is, without cookies, redirects and the page's address, and is written down without content", async () => {
    const { send, sent, ledger } = open();
    const request = chat('Größe');
    await send(request);
    expect(sent).toEqual([
      {
        url: URL,
        init: {
          method: 'POST',
          headers: request.headers,
          body: request.body,
          redirect: 'error',
          credentials: 'omit',
          referrerPolicy: 'no-referrer',
          cache: 'no-store',
        },
      },
    ]);
    const head = `POST ${URL}\r\ncontent-type: application/json\r\nauthorization: Bearer t`;
    expect(ledger.rows()).toEqual([
      {
        time: 42,
        outcome: 'sent',
        purpose: 'chat',
        host: 'api.example.com',
        bytes: head.length + Buffer.byteLength(request.body ?? ''),
        labels: ['public', 'personal'],
        decisionId: 'd1',
      },
    ]);
    expect(JSON.stringify(ledger.rows())).not.toContain('Größe');
  });

  it('and nothing does after an abort', async () => {
    const { send, sent, ledger } = open();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(send(chat('x', { signal }))).rejects.toThrow('enough');
    expect([sent, ledger.rows()]).toEqual([[], []]);
  });
});

describe('what the decision does not cover is refused', () => {
  it.each<[string, Partial<EgressRequest>, Partial<EgressCover>]>([
    ['another host', { url: 'https://evil.example.com/v1' }, {}],
    ['another port', { url: 'https://api.example.com:444/v1' }, {}],
    ['the same host without TLS', { url: 'http://api.example.com/v1' }, {}],
    ["the app's own origin", { url: 'http://localhost:8080/v1' }, {}],
    ['a relative address', { url: '/v1/chat/completions' }, {}],
    ['another protocol', { url: 'data:,x' }, { hosts: ['null'] }],
    ['a password in the address', { url: 'https://a:b@api.example.com/v1' }, {}],
    ['a body where none belongs', { method: 'GET' }, {}],
    ['a header that carries anything', { headers: { 'x-note': 'hello' } }, {}],
    ['secrets, whatever a decision says', {}, { classes: ['secret'] }],
  ])('%s', async (_, request, cover) => {
    const { send, sent, ledger } = open();
    await expect(send(chat('Hello', request, cover))).rejects.toMatchObject({ code: 'egress_refused' });
    expect(sent).toEqual([]);
    expect(ledger.rows()).toMatchObject([{ outcome: 'refused', bytes: 0, decisionId: 'd1' }]);
  });
});

describe('what is forbidden is refused, wherever it is', () => {
  const forbidden = forbid(
    [
      [SECRET, 'secret'],
      ['Write to anna.k@example.org', 'personal', ['email', 'anna.k@example.org']],
      ['I am Anna Kovač', 'personal', ['name', 'Anna Kovač']],
    ],
    {
      terms: ['Blaubär', 'Bob'],
      recognise: (text) => (/\b4111 ?1111 ?1111 ?1111\b/.test(text) ? [{ source: 'checksum' }] : []),
    },
  );
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  const reversed = (text: string): string => [...text].toReversed().join('');

  it.each<[string, unknown]>([
    ['a secret', `So: ${SECRET}`],
    ['in base64', base64(SECRET)],
    ['in hex', hex(SECRET)],
    ['percent-encoded', encodeURIComponent(reversed(SECRET))],
    ['backwards', reversed(SECRET)],
    ['split over parts', Array.from(SECRET.matchAll(/.{1,7}/g), ([text]) => ({ type: 'text', text }))],
    [
      'in base64 split over parts',
      Array.from(base64(SECRET).matchAll(/.{1,9}/g), ([text]) => ({ type: 'text', text })),
    ],
    ['what was to be redacted', 'ANNA.K@example.org'],
    ['what was to be redacted, in base64', base64('mail anna.k@example.org')],
    ['a name of two words', 'anna kovac'],
    ["the user's term", 'blaubar'],
    ["the user's term, spaced out", 'B l a u b ä r'],
    ["the user's term, in hex", hex('der Blaubär')],
    ['a short term', 'with BOB!'],
    ['a card', '4111 1111 1111 1111'],
    ['a card backwards', reversed('4111 1111 1111 1111')],
    ['a card in base64', base64('4111111111111111')],
  ])('%s', async (_, content) => {
    const { send, sent } = open();
    await expect(send(chat(content, {}, { forbidden }))).rejects.toMatchObject({ code: 'egress_refused' });
    expect(sent).toEqual([]);
  });

  it.each<[string, Partial<EgressRequest>]>([
    ['in the address', { url: `${URL}?q=${encodeURIComponent(SECRET)}` }],
    ['in a header', { headers: { authorization: `Bearer ${base64(SECRET)}` } }],
    ['in a field of the protocol', { body: JSON.stringify({ user: SECRET }) }],
    ['in the name of a field', { body: JSON.stringify({ [SECRET]: 1 }) }],
    ['in a body that is no JSON', { body: `q=${SECRET}` }],
    [
      'split over messages',
      {
        body: JSON.stringify({
          messages: ['The vault in Oslo', ' opens with the word'].map((content) => ({
            role: 'user',
            content,
          })),
        }),
      },
    ],
  ])('%s', async (_, more) => {
    const { send, sent } = open();
    await expect(send(chat('Hello', more, { forbidden }))).rejects.toMatchObject({ code: 'egress_refused' });
    expect(sent).toEqual([]);
  });

  it('and says what, without saying it', async () => {
    const error: unknown = await open()
      .send(chat(SECRET, {}, { forbidden }))
      .catch((caught: unknown) => caught);
    expect(String(error)).toContain('something that is secret');
    expect(JSON.stringify(error) + String(error)).not.toMatch(/Oslo|heliotrope/);
  });

  it.each(['Anna knows it', 'headbobbing', 'The vault opens', 'Hello, PERSON-QXKD-001'])(
    'and what is not, is not: %s',
    async (content) => {
      const { send, sent } = open();
      await send(chat(content, {}, { forbidden }));
      expect(sent).toHaveLength(1);
    },
  );

  it('what a public text says too may leave', async () => {
    const open1 = open();
    const found: [FindingKind, string] = ['email', 'help@example.org'];
    const both = forbid([
      ['I wrote to help@example.org', 'personal', found],
      ['Write to help@example.org', 'public', found],
    ]);
    await open1.send(chat('Write to help@example.org', {}, { forbidden: both }));
    expect(open1.sent).toHaveLength(1);
  });
});
