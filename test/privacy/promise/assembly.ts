/**
 * The parts that keep the promise, put together as the client does, without the engine: labels, search, decision, redaction,
 * the door, restoring. Any of them can be given in a weakened form, to see that each is needed.
 */
import type { ChatMessageParam } from '../../../src/client/types.ts';
import type { Detection } from '../../../src/privacy/detection.ts';
import { findChecksummed } from '../../../src/privacy/detect-checksummed.ts';
import { mergeOverlaps } from '../../../src/privacy/detect-merge.ts';
import { viewOf } from '../../../src/privacy/detect-normalise.ts';
import { recognise } from '../../../src/privacy/detect-recognise.ts';
import { createTermMatcher } from '../../../src/privacy/detect-terms.ts';
import type { EgressCover, Forbidden } from '../../../src/privacy/egress-request.ts';
import { createEgress } from '../../../src/privacy/egress.ts';
import { createForbidden } from '../../../src/privacy/forbidden.ts';
import { createLedger } from '../../../src/privacy/ledger.ts';
import { readLetters } from '../../../src/privacy/letters.ts';
import type { ReadLetters } from '../../../src/privacy/letters.ts';
import { redact } from '../../../src/privacy/redaction.ts';
import { restore } from '../../../src/privacy/restore.ts';
import { createTaintStore } from '../../../src/privacy/taint.ts';
import type { LabelledConversation, TaintStore } from '../../../src/privacy/taint.ts';
import { decide } from '../../../src/router/decide.ts';
import type { Decision } from '../../../src/router/decision.ts';
import { endpoint, LOCAL, record } from '../../fakes/records.ts';
import type { Random } from '../../models/random.ts';
import type { Turn } from './chats.ts';

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

export interface Assembly {
  ask(messages: readonly ChatMessageParam[], turn: Turn): Promise<{ answer: string | null; plan: string }>;
  /** All bytes that left: address, headers and body of each attempt. */
  sent: string[];
  /** All that is told without being sent: decisions, the ledger, errors. */
  told: string[];
}

const ORIGINS = { a: 'https://a.test', b: 'https://b.test' };

export function assemble(random: Random, terms: readonly string[], weakened: Partial<Parts> = {}): Assembly {
  const parts = { ...WHOLE, ...weakened };
  const ledger = createLedger(() => 0);
  const store = parts.weakenStore(createTaintStore({ ledger, random: random.below, read: parts.read }));
  const matcher = createTermMatcher(terms);
  const sent: string[] = [];
  const told: string[] = [];
  const egress = createEgress({
    ledger,
    async fetch(url, { headers, body } = {}) {
      sent.push(String(url), JSON.stringify(headers), String(body));
      // Of ten attempts four fail, each in its way.
      const fate = random.below(10);
      if (fate === 0) throw new TypeError('network error');
      if (fate < 4) return new Response('{"error":{"message":"busy"}}', { status: fate === 1 ? 429 : 503 });
      return new Response(`You said: ${lastTextOf(String(body))}`);
    },
  });

  function detect(text: string): Detection {
    const findings = recognise(viewOf(text), { terms: matcher, more: [] });
    return { findings: mergeOverlaps(findings), residualRisk: 0 };
  }

  async function send(messages: ChatMessageParam[], cover: EgressCover): Promise<string | null> {
    for (const id of ['a', 'a', 'b'] as const) {
      const response = await egress
        .send({
          url: `${ORIGINS[id]}/v1/chat/completions`,
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'Bearer token' },
          body: JSON.stringify({ model: 'm', stream: true, messages: messages.map(withoutLabels) }),
          purpose: 'chat',
          cover,
        })
        .catch((error: unknown) => void told.push(`${String(error)} ${JSON.stringify(error)}`));
      if (response?.ok) return response.text();
    }
    return null;
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
      const answer = await send(redact(messages, findings, vault), {
        decisionId: decision.id,
        hosts: Object.values(ORIGINS),
        classes: ['public', 'personal'],
        forbidden: parts.forbid(forbidden),
      });
      told.push(JSON.stringify(ledger.rows()));
      if (answer === null) return { answer, plan: 'failed' };
      const restored = restore(answer, vault);
      store.remember(restored, labelled, 'a');
      return { answer: restored, plan: decision.plan };
    },
  };
}

function isProtected({ source, kind }: Detection['findings'][number]): boolean {
  return source === 'checksum' || source === 'term' || kind === 'credential';
}

function withoutLabels(message: ChatMessageParam): ChatMessageParam {
  const { content } = message;
  const { privacy: _, ...bare } = message;
  if (!Array.isArray(content)) return bare;
  return {
    ...bare,
    content: content.map((part) => {
      const { privacy: __, ...rest } = part;
      return rest;
    }),
  };
}

function lastTextOf(body: string): string {
  const { messages } = JSON.parse(body) as { messages: ChatMessageParam[] };
  const content = messages.at(-1)?.content;
  return typeof content === 'string' ? content : 'several things';
}
