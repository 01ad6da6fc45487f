/**
 * Random conversations in which something must not leave: what is labelled secret once, answers made from it, the user's own
 * terms, numbers with check digits. What comes later comes without labels, as libraries send it, quoted and disguised in
 * every way; most of it is harmless, so that most conversations do leave.
 */
import type { ChatMessageParam, MediaPart, TextPart } from '../../../src/client/types.ts';
import type { PrivacyClass } from '../../../src/privacy/classes.ts';
import type { Random } from '../../models/random.ts';
import { DISGUISES, drawCard, drawCode, drawIban, drawSentence, drawTerm, pick } from './canaries.ts';
import type { Canary } from './canaries.ts';

export interface Chat {
  canaries: Canary[];
  /** The user's own. */
  terms: string[];
  turns: Turn[];
}

export interface Turn {
  /** New messages; the app sends all earlier ones again before them, without labels. */
  messages: ChatMessageParam[];
  /** Of the request. */
  privacy: PrivacyClass | null;
  route: 'auto' | 'cloud';
  /** What the local model says if it is asked: it quotes what it was told in its own way. */
  says: string;
  /** The app forgets what was before. */
  forgets: boolean;
}

const TALK = [
  'What is the weather like in spring?',
  'Please write a short poem about the sea.',
  'How do I sort a list of numbers?',
  'Thank you, that helps a lot.',
  'Tell me more about that, in simple words.',
  'Which of these is the better choice, and why?',
  'Translate this into French, please.',
  'Summarise the text in two sentences.',
];

const random256 = (random: Random): string => `c${random.below(1 << 30)}`;

/** `secretly` draws what is secret: with another one the same conversation has other secrets. */
export function drawChat(random: Random, secretly = random): Chat {
  const secrets = [drawCode(secretly), drawSentence(secretly)];
  const terms = random.below(2) === 0 ? [drawTerm(random)] : [];
  const ids = random.below(2) === 0 ? [pick(random, [drawCard, drawIban])(random)] : [];
  const begins = random.below(4);
  const turns = Array.from({ length: 2 + random.below(3) }, (_, i): Turn => {
    // In some conversations the secret comes late.
    const isSecret = i === begins % 2;
    const told = isSecret ? secrets : [];
    const talked = [...terms, ...ids, ...(i > begins % 2 ? secrets : [])];
    return {
      messages: [...told.map((canary) => tell(random, canary)), ...talk(random, talked)],
      privacy: null,
      route: pick(random, ['auto', 'cloud']),
      says: sayAbout(random, i >= begins % 2 ? pick(random, secrets) : undefined),
      forgets: random.below(3) === 0,
    };
  });
  return { canaries: [...secrets, ...terms, ...ids], terms: terms.map(({ text }) => text), turns };
}

/** Labelled secret, in one of the places where that can be said. */
function tell(random: Random, { text }: Canary): ChatMessageParam {
  const privacy = 'secret';
  switch (random.below(5)) {
    case 0:
      return { role: 'user', content: `Keep this: ${text}.`, privacy };
    case 1:
      return {
        role: 'tool',
        tool_call_id: random256(random),
        content: JSON.stringify({ found: text }),
        privacy,
      };
    case 2:
      return {
        role: 'user',
        content: [
          { type: 'text', text: pick(random, TALK) },
          { type: 'file', file: { filename: `${text}.txt`, file_data: btoa(`About ${text}`) }, privacy },
        ],
      };
    case 3:
      return { role: 'system', content: [{ type: 'text', text: `You know that ${text}`, privacy }] };
    default:
      return {
        role: 'user',
        content: [
          { type: 'text', text: pick(random, TALK), privacy: 'public' },
          { type: 'text', text, privacy },
        ],
      };
  }
}

function talk(random: Random, canaries: readonly Canary[]): ChatMessageParam[] {
  const messages: ChatMessageParam[] = [{ role: 'user', content: pick(random, TALK) }];
  if (canaries.length === 0 || random.below(5) < 2) return messages;
  const canary = pick(random, canaries);
  const pieces = DISGUISES[pick(random, Object.keys(DISGUISES))]?.(canary.text) ?? [];
  return [...messages, ...(random.below(2) === 0 ? inParts(random, pieces) : inMessages(random, pieces))];
}

function inParts(random: Random, pieces: readonly string[]): ChatMessageParam[] {
  const privacy = pick(random, [null, 'public', 'personal'] as const);
  const label = privacy ? { privacy } : {};
  const content = pieces.map((text): TextPart | MediaPart =>
    pieces.length === 1 && random.below(4) === 0
      ? { type: 'file', file: { filename: text, file_data: btoa('nothing') }, privacy: 'public' }
      : { type: 'text', text, ...label },
  );
  return [{ role: 'user', content: [...content, { type: 'text', text: pick(random, TALK) }] }];
}

function inMessages(random: Random, pieces: readonly string[]): ChatMessageParam[] {
  return pieces.map((text): ChatMessageParam => {
    switch (pieces.length === 1 ? random.below(4) : 0) {
      case 1:
        return {
          role: 'tool',
          tool_call_id: random256(random),
          content: `{"result":${JSON.stringify(text)}}`,
        };
      case 2:
        return { role: 'assistant', content: `You told me ${text}.` };
      case 3:
        return {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: random256(random),
              type: 'function',
              function: { name: 'note', arguments: JSON.stringify({ text }) },
            },
          ],
        };
      default:
        return { role: 'user', content: text };
    }
  });
}

function sayAbout(random: Random, canary: Canary | undefined): string {
  if (!canary) return 'Noted.';
  const [said = ''] =
    DISGUISES[
      pick(
        random,
        Object.keys(DISGUISES).filter((way) => way !== 'split'),
      )
    ]?.(canary.text) ?? [];
  return `Noted: ${said}.`;
}
