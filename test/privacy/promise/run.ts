/** Holds conversations and counts: what left, what was kept, and what leaked. */
import type { ChatMessageParam } from '../../../src/client/types.ts';
import { seeded } from '../../models/random.ts';
import type { Random } from '../../models/random.ts';
import { assemble } from './assembly.ts';
import { drawChat } from './chats.ts';
import type { Turn } from './chats.ts';
import { findLeaks } from './leaks.ts';
import type { Leak } from './leaks.ts';

/** What keeps the promise, for one conversation: `assembly.ts`, or the client itself. */
export interface Keeper {
  ask(messages: readonly ChatMessageParam[], turn: Turn): Promise<{ answer: string | null; plan: string }>;
  /** All that left: address, headers and body of each attempt. */
  sent: readonly string[];
  /** All that is told without being sent: decisions, events, the ledger, errors. */
  told: readonly string[];
  close?(): void;
}

export type OpenKeeper = (random: Random, terms: readonly string[]) => Keeper | Promise<Keeper>;

export interface Outcome {
  /** Turns by plan; 'failed' are those that the door refused or no endpoint answered. */
  plans: Record<string, number>;
  requests: number;
  /** On the wire. */
  leaks: (Leak & { chat: number })[];
  /** In decisions, errors and the ledger. */
  told: (Leak & { chat: number })[];
}

export async function holdChats(seeds: Iterable<number>, open: OpenKeeper): Promise<Outcome> {
  const outcome: Outcome = { plans: {}, requests: 0, leaks: [], told: [] };
  for (const seed of seeds) {
    const random = seeded(seed);
    const { canaries, terms, turns } = drawChat(random);
    const keeper = await open(random, terms);
    for (const plan of await hold(turns, keeper)) outcome.plans[plan] = (outcome.plans[plan] ?? 0) + 1;
    keeper.close?.();
    const found = (texts: readonly string[]): (Leak & { chat: number })[] =>
      findLeaks(texts, canaries).map((leak) => ({ ...leak, chat: seed }));
    outcome.requests += keeper.sent.length / 3;
    outcome.leaks.push(...found(keeper.sent));
    outcome.told.push(...found(keeper.told));
  }
  return outcome;
}

/** The plans of the turns. */
async function hold(turns: readonly Turn[], keeper: Keeper): Promise<string[]> {
  const plans: string[] = [];
  let earlier: ChatMessageParam[] = [];
  for (const turn of turns) {
    if (turn.forgets) earlier = [];
    const messages = [...earlier, ...turn.messages];
    const { answer, plan } = await keeper.ask(messages, turn);
    plans.push(plan);
    earlier = messages.map(unlabelled);
    if (answer !== null) earlier.push({ role: 'assistant', content: answer });
  }
  return plans;
}

/** Each conversation with two secrets: whether what was sent is the same, to the byte. */
export async function sendTwice(
  seeds: readonly number[],
): Promise<{ pairs: number; requests: number; different: number }> {
  const counts = { pairs: seeds.length, requests: 0, different: 0 };
  for (const seed of seeds) {
    const [one = '', other = ''] = await Promise.all(
      [1, 2].map(async (secret) => {
        const random = seeded(seed);
        const { terms, turns } = drawChat(random, seeded(1000 * seed + secret));
        const keeper = assemble(random, terms);
        await hold(turns, keeper);
        counts.requests += keeper.sent.length / 3;
        return JSON.stringify(keeper.sent);
      }),
    );
    if (one !== other) counts.different += 1;
  }
  return counts;
}

/** As an app that knows no labels keeps it; media are not sent again, so that not all is secret for ever. */
export function unlabelled(labelled: ChatMessageParam): ChatMessageParam {
  const { privacy: _, ...message } = labelled;
  const { content } = message;
  if (!Array.isArray(content)) return message;
  const texts = content.flatMap((part) =>
    part.type === 'text' ? [{ type: part.type, text: part.text }] : [],
  );
  return { ...message, content: texts };
}
