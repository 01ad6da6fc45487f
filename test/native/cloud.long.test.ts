/**
 * A real model behind the fixture's endpoint, whose answers are cut: what is put together is what it says when it is let
 * finish. It is asked without chance, for what it is sure of.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openNativeModel } from '../../e2e/fixtures/cloud/native-model.mjs';
import { startCloudServer } from '../../e2e/fixtures/cloud/server.mjs';
import { importNative, peerFiles } from '../../scripts/lib/peers.mjs';
import { createCloudProvider } from '../../src/provider/cloud.ts';
import type { ProviderEvent } from '../../src/provider/provider.ts';
import { collect, cover, endpointOf } from '../fakes/cloud-requests.ts';

const hasNative = existsSync(peerFiles.q4_1) && (await importNative()) !== undefined;

describe.skipIf(!hasNative)(
  'a real model behind the endpoint (needs test/peers and the default model)',
  () => {
    let native: NonNullable<Awaited<ReturnType<typeof openNativeModel>>>;
    let server: Awaited<ReturnType<typeof startCloudServer>>;

    beforeAll(async () => {
      native = (await openNativeModel())!;
      server = await startCloudServer({ model: native.model, name: native.name });
    });
    afterAll(async () => {
      await server.close();
      await native.close();
    });

    it('goes on where its answer was cut, as if it had not been', async () => {
      const messages = [
        { role: 'user' as const, content: 'What is the capital of France? Answer in a sentence.' },
      ];
      const request = { messages, temperature: 0, max_tokens: 24 };
      const timeouts = { connectMs: 600_000, firstTokenMs: 600_000, betweenTokensMs: 600_000 };
      const ask = async (): Promise<{ text: string; seams: number }> => {
        const events: ProviderEvent[] = [];
        const provider = createCloudProvider(endpointOf({ baseURL: server.baseURL, timeouts }), {
          send: ({ url, method, headers, body = null, signal = null }) =>
            fetch(url, { method, headers, body, signal }),
          random: () => 0,
        });
        const trace = (event: ProviderEvent): void => void events.push(event);
        const { text, error } = await collect(provider.chat(request, { cover, trace }));
        expect(error).toBeUndefined();
        return { text, seams: events.filter(({ type }) => type === 'seam').length };
      };
      const whole = await ask();
      expect(whole).toMatchObject({ text: expect.stringContaining('Paris'), seams: 0 });
      for (const cut of [470, 600, 730]) {
        server.failNext({ cut });
        expect(await ask()).toEqual({ text: whole.text, seams: 1 });
      }
    });
  },
);
