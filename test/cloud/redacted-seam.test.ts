/** Aliases across a seam: an answer that is cut inside one is put together and restored as if it had not been. */
import { expect, test } from 'vitest';
import type { ChatCompletion } from '../../src/client/types.ts';
import { createFakeDetector } from '../fakes/detector.ts';
import { NEAR, openRouted } from '../fakes/routed.ts';

const TEXT = 'Dear Ada Lovelace, so Ada Lovelace it is, and not Charles Babbage.';
const detector = createFakeDetector({
  'Ada Lovelace': { kind: 'name' },
  'Charles Babbage': { kind: 'name' },
});

test('wherever the answer is cut', async () => {
  let seams = 0;
  for (let cut = 200; cut < 2000; cut += 37) {
    const routed = await openRouted({
      policy: { prefer: 'cloud' },
      endpoints: [{ ...NEAR, continuation: 'continue_final_message' }],
      detector,
    });
    routed.cloud.failNext({ cut });
    const answered = (await routed.routing.createChat({
      messages: [{ role: 'user', content: `say: ${TEXT}` }],
      temperature: 0,
    })) as ChatCompletion;
    expect(answered.choices[0]?.message.content).toBe(TEXT);
    expect(routed.received().join('')).not.toMatch(/Lovelace|Babbage/);
    seams += routed.events.filter(
      (event) => event.type === 'route-provider' && event.event.type === 'seam',
    ).length;
    routed.local.client.close();
  }
  expect(seams).toBeGreaterThan(20);
});
