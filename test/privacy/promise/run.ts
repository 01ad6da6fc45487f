/** Holds conversations and counts: what left, what was kept, and what leaked. */
import type { ChatMessageParam } from '../../../src/client/types.ts';
import { seeded } from '../../models/random.ts';
import { assemble } from './assembly.ts';
import type { Parts } from './assembly.ts';
import { drawChat } from './chats.ts';
import { findLeaks } from './leaks.ts';
import type { Leak } from './leaks.ts';

export interface Outcome {
  /** Turns by plan; 'failed' are those that the door refused or no endpoint answered. */
  plans: Record<string, number>;
  requests: number;
  /** On the wire. */
  leaks: (Leak & { chat: number })[];
  /** In decisions, errors and the ledger. */
  told: (Leak & { chat: number })[];
}

export async function holdChats(seeds: Iterable<number>, weakened?: Partial<Parts>): Promise<Outcome> {
  const outcome: Outcome = { plans: {}, requests: 0, leaks: [], told: [] };
  for (const seed of seeds) {
    const random = seeded(seed);
    const { canaries, terms, turns } = drawChat(random);
    const { ask, sent, told } = assemble(random, terms, weakened);
    let earlier: ChatMessageParam[] = [];
    for (const turn of turns) {
      if (turn.forgets) earlier = [];
      const messages = [...earlier, ...turn.messages];
      const { answer, plan } = await ask(messages, turn);
      outcome.plans[plan] = (outcome.plans[plan] ?? 0) + 1;
      earlier = messages.map(unlabelled);
      if (answer !== null) earlier.push({ role: 'assistant', content: answer });
    }
    outcome.requests += sent.length / 3;
    outcome.leaks.push(...findLeaks(sent, canaries).map((leak) => ({ ...leak, chat: seed })));
    outcome.told.push(...findLeaks(told, canaries).map((leak) => ({ ...leak, chat: seed })));
  }
  return outcome;
}

/** As an app that knows no labels keeps it; media are not sent again, so that not all is secret for ever. */
function unlabelled(labelled: ChatMessageParam): ChatMessageParam {
  const { privacy: _, ...message } = labelled;
  const { content } = message;
  if (!Array.isArray(content)) return message;
  const texts = content.flatMap((part) =>
    part.type === 'text' ? [{ type: part.type, text: part.text }] : [],
  );
  return { ...message, content: texts };
}
