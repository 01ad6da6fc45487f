/**
 * The parts that keep the promise, put together as the client does, without the engine: labels, search, decision, redaction,
 * the cloud client with its retries and seams, the door, restoring. Any of them can be given in a weakened form, to see that each is needed.
 */
import { isProtected } from '../../../src/client/find-personal.ts';
import type { ChatCompletionChunk, ChatMessageParam } from '../../../src/client/types.ts';
import type { Detection } from '../../../src/privacy/detection.ts';
import { findChecksummed } from '../../../src/privacy/detect-checksummed.ts';
import type { EgressCover, Forbidden } from '../../../src/privacy/egress-request.ts';
import { createEgress } from '../../../src/privacy/egress.ts';
import { createForbidden } from '../../../src/privacy/forbidden.ts';
import { createLedger } from '../../../src/privacy/ledger.ts';
import { readLetters } from '../../../src/privacy/letters.ts';
import type { ReadLetters } from '../../../src/privacy/letters.ts';
import { redact } from '../../../src/privacy/redaction.ts';
import { createRestorer } from '../../../src/privacy/restore.ts';
import { createTaintStore } from '../../../src/privacy/taint.ts';
import type { LabelledConversation, TaintStore } from '../../../src/privacy/taint.ts';
import type { Vault } from '../../../src/privacy/vault.ts';
import { chatInOrder } from '../../../src/provider/cloud-order.ts';
import { createCloudProvider } from '../../../src/provider/cloud.ts';
import { decide } from '../../../src/router/decide.ts';
import type { Decision } from '../../../src/router/decision.ts';
import { createInProcessCloud } from '../../../e2e/fixtures/cloud/in-process.ts';
import { cover, endpointOf } from '../../fakes/cloud-requests.ts';
import { endpoint, LOCAL, record } from '../../fakes/records.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import type { Random } from '../../models/random.ts';
import { pick } from './canaries.ts';
import type { Turn } from './chats.ts';
import { createDetect, echo, FATES } from './surroundings.ts';
import type { Keeper } from './run.ts';

export interface Parts {
  /** What of texts is compared. */
  read: ReadLetters;
  /** What recognises again what was labelled. */
  weakenStore: (store: TaintStore) => TaintStore;
  decide: typeof decide;
  forbid: (forbidden: Forbidden) => Forbidden;
}

const WHOLE: Parts = {
  read: readLetters,
  weakenStore: (store) => store,
  decide,
  forbid: (forbidden) => forbidden,
};

const ENDPOINTS = ['a', 'b'].map((id) => endpointOf({ id, baseURL: `https://${id}.test/v1` }));
const HOSTS = ENDPOINTS.map(({ baseURL }) => new URL(baseURL).origin);

export function assemble(random: Random, terms: readonly string[], weakened: Partial<Parts> = {}): Keeper {
  const parts = { ...WHOLE, ...weakened };
  const ledger = createLedger(() => 0);
  const store = parts.weakenStore(createTaintStore({ ledger, random: random.below, read: parts.read }));
  const detect = createDetect(terms);
  const sent: string[] = [];
  const told: string[] = [];
  const clock = createVirtualClock();
  const cloud = createInProcessCloud({ clock, model: echo });
  const egress = createEgress({
    ledger,
    fetch(url, { method, headers, body, signal } = {}) {
      sent.push(String(url), JSON.stringify(headers), String(body));
      cloud.failNext(pick(random, FATES));
      return cloud.send({
        url: String(url),
        method: method === 'GET' ? 'GET' : 'POST',
        headers: {},
        body: String(body),
        signal: signal ?? undefined,
        purpose: 'chat',
        cover,
      });
    },
  });
  const providers = ENDPOINTS.map((one) =>
    createCloudProvider(one, { send: egress.send, clock, random: random.next }),
  );

  /** Through retries, other endpoints and seams; undefined when nobody answered to the end. */
  async function send(
    messages: ChatMessageParam[],
    granted: EgressCover,
    vault: Vault,
  ): Promise<{ answer: string; isWhole: boolean }> {
    const restorer = createRestorer(vault);
    let answer = '';
    let isWhole = true;
    try {
      const options = { cover: granted, trace: (event: unknown) => void told.push(JSON.stringify(event)) };
      for await (const { choices } of chatInOrder({
        providers,
        request: { messages },
        options,
        continueLocally,
      }))
        for (const { delta } of choices) answer += restorer.push(delta.content ?? '');
    } catch (error) {
      isWhole = false;
      told.push(`${String(error)} ${JSON.stringify(error)}`);
    }
    return { answer: answer + restorer.end(), isWhole };
  }

  function decideOn(labelled: LabelledConversation, detections: readonly Detection[], turn: Turn): Decision {
    const texts = labelled.texts;
    const count = (privacy: string): number => texts.filter((text) => text.class === privacy).length;
    return parts.decide(
      record({
        request: {
          privacy: labelled.class,
          parts: { public: count('public'), personal: count('personal'), secret: count('secret') },
          route: turn.route,
          detection: {
            state: 'done',
            findings: {},
            protectedCount: detections.flatMap(({ findings }) => findings.filter(isProtected)).length,
            unredactableCount: 0,
            residualRisk: 0,
          },
        },
        policy: { prefer: 'cloud', sticky: 'off' },
        providers: [LOCAL, endpoint('a'), endpoint('b')],
      }),
    );
  }

  return {
    sent,
    told,
    async ask(messages, turn) {
      const labelled = store.label(messages, { text: 'personal', media: 'secret', request: turn.privacy });
      const detections = labelled.texts.map(({ text }) => detect(text));
      const decision = decideOn(labelled, detections, turn);
      told.push(JSON.stringify(decision));
      if (decision.plan === 'refuse') return { answer: null, plan: 'refuse' };
      if (decision.plan === 'local') {
        store.remember(turn.says, labelled, 'local');
        return { answer: turn.says, plan: 'local' };
      }
      const findings = detections.map(({ findings: all }, i) =>
        labelled.texts[i]?.class === 'public' ? all.filter(isProtected) : all,
      );
      const { vault } = labelled.conversation;
      const forbidden = createForbidden({
        store,
        labelled,
        detections,
        terms,
        recognise: findChecksummed,
        read: parts.read,
      });
      const granted: EgressCover = {
        decisionId: decision.id,
        hosts: HOSTS,
        classes: ['public', 'personal'],
        forbidden: parts.forbid(forbidden),
      };
      const { answer, isWhole } = await send(redact(messages, findings, vault), granted, vault);
      told.push(JSON.stringify(ledger.rows()));
      store.remember(answer, labelled, 'a');
      return { answer: answer === '' ? null : answer, plan: isWhole ? decision.plan : 'failed' };
    },
  };
}

/** The local model, which goes on in its own words. */
async function* continueLocally(): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const chunk = (content: string, finish: 'stop' | null): ChatCompletionChunk => ({
    id: 'local',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'local',
    system_fingerprint: '',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finish }],
  });
  yield chunk(' and so on', null);
  yield chunk('', 'stop');
}
