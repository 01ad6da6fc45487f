/** P6 and P7: canaries on the wire, and whether what is secret changes what is sent. */
import { openClientKeeper } from '../../test/privacy/promise/routed.ts';
import { holdChats, sendTwice } from '../../test/privacy/promise/run.ts';
import type { Gate } from './gate.ts';

const CHATS = 300;
const seeds = Array.from({ length: CHATS }, (_, i) => 3_000_000 + i);

export const promise: Gate = {
  id: 'P6',
  what: 'Canaries of what must not leave, in what endpoints received',
  target: 'none',
  async measure() {
    const { plans, requests, leaks, told } = await holdChats(seeds, openClientKeeper);
    const turns = Object.entries(plans).map(([plan, count]) => `${plan} ${count}`);
    return {
      value: `${leaks.length} in ${requests} requests of ${CHATS} conversations, ${told.length} in events and errors`,
      met: leaks.length === 0 && told.length === 0,
      note:
        'Random conversations with the client: secrets, answers made from them, own terms, numbers with check digits; plain, ' +
        'in base64, hex, percent encoding, reversed, in lookalikes, with invisible letters, split, in tool results and file ' +
        `names; endpoints fail in eight ways. Turns: ${turns.join(', ')}. Ten thousand of them are in \`npm run test:long\`, ` +
        'the wire itself in `e2e/behaviour/promise.spec.ts`. Without the gates, the fingerprints or the normalisation ' +
        'canaries are found (`test/privacy/promise/promise.test.ts`).',
    };
  },
};

export const interference: Gate = {
  id: 'P7',
  what: 'What is sent, with one secret and with another',
  target: 'the same bytes',
  async measure() {
    const { pairs, requests, different } = await sendTwice(seeds.slice(0, CHATS / 5));
    return {
      value: `${different} of ${pairs} conversations differ (${requests} requests)`,
      met: different === 0,
      note: 'Each conversation is held twice: what is secret in it is another code and another sentence, all else is the same.',
    };
  },
};
