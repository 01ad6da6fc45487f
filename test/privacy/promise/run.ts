/** Holds conversations and counts: what left, what was kept, and what leaked. */
import type { ChatMessageParam } from '../../../src/client/types.ts';
import { seeded } from '../../models/random.ts';
import type { Random } from '../../models/random.ts';
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
    let earlier: ChatMessageParam[] = [];
    for (const turn of turns) {
      if (turn.forgets) earlier = [];
      const messages = [...earlier, ...turn.messages];
      const { answer, plan } = await keeper.ask(messages, turn);
      outcome.plans[plan] = (outcome.plans[plan] ?? 0) + 1;
      earlier = messages.map(unlabelled);
      if (answer !== null) earlier.push({ role: 'assistant', content: answer });
    }
    keeper.close?.();
    const found = (texts: readonly string[]): (Leak & { chat: number })[] =>
      findLeaks(texts, canaries).map((leak) => ({ ...leak, chat: seed }));
    outcome.requests += keeper.sent.length / 3;
    outcome.leaks.push(...found(keeper.sent));
    outcome.told.push(...found(keeper.told));
  }
  return outcome;
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
