/** Whatever an endpoint sends, a request ends: with an answer, or with an error of ours that holds nothing of what was sent. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { collect, cover, endpointOf, saying } from '../../test/fakes/cloud-requests.ts';
import { createVirtualClock } from '../../test/fakes/virtual-clock.ts';
import { SelvedgeError } from '../errors.ts';
import { createCloudProvider } from './cloud.ts';

const MARK = 'what-the-server-wrote';

const value = fc.oneof(
  fc.constantFrom(null, MARK, 0, -1, 1.5, 'stop', 'error', true, [], {}),
  fc.jsonValue({ maxDepth: 2 }),
);
const delta = fc.record(
  { role: value, content: value, reasoning_content: value, tool_calls: fc.oneof(value, fc.array(value)) },
  { requiredKeys: [] },
);
const choice = fc.record(
  { index: value, delta: fc.oneof(value, delta), finish_reason: value },
  { requiredKeys: [] },
);
const chunk = fc.record(
  { id: value, created: value, choices: fc.oneof(value, fc.array(choice)), usage: value, error: value },
  { requiredKeys: [] },
);
const piece = fc.oneof(
  chunk.map((one) => `data: ${JSON.stringify(one)}\n\n`),
  fc.constantFrom(
    'data: [DONE]\n\n',
    'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    ': ping\n\n',
    'id: 1\n',
  ),
  fc.constantFrom(
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    'retry: x\n',
    '\r',
    '\0',
    MARK,
  ),
  fc.string(),
);
const bodies = fc.array(
  fc.oneof(
    piece.map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 5 }),
  ),
  { maxLength: 12 },
);
const status = fc.oneof(
  { weight: 5, arbitrary: fc.constant(200) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) },
);

it('ends with an answer or a typed error, and quotes nothing', async () => {
  const runs = fc.asyncProperty(bodies, status, fc.boolean(), async (pieces, code, isStalled) => {
    const clock = createVirtualClock();
    const send = async ({ signal }: { signal?: AbortSignal | undefined }): Promise<Response> => {
      const rest = [...pieces];
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => signal?.addEventListener('abort', () => controller.error(signal.reason)),
        pull: (controller) => {
          const next = rest.shift();
          if (next) controller.enqueue(next);
          else if (!isStalled) controller.close();
        },
      });
      const isBare = [204, 205, 304].includes(code);
      const headers = { 'content-type': 'text/event-stream', 'retry-after': '1' };
      return new Response(isBare ? null : stream, { status: code, headers });
    };
    const provider = createCloudProvider(endpointOf(), { send, clock, random: () => 0 });
    const { error, finishes, text } = await collect(provider.chat(saying('Yes.'), { cover }));
    if (error === undefined) {
      expect(finishes).toHaveLength(1);
      return;
    }
    expect(error).toBeInstanceOf(SelvedgeError);
    expect(error).toMatchObject({ code: 'cloud_failed', details: { partial: text } });
    expect(String(error)).not.toContain(MARK);
  });
  await fc.assert(runs, { numRuns: 300 });
});
