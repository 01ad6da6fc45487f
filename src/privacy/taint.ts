/**
 * Labels that stick. The API is stateless, and whoever sends a conversation again (the `openai` package, say) sends it without
 * labels: so the store knows, by keyed fingerprints, the parts that were labelled and the answers that were given, and gives
 * them the class they had. What quotes a secret is as secret as the secret; an answer is as private as the most private thing
 * it was made from. Nothing that was said is kept, and everything is forgotten with the page.
 *
 * A class only ever rises by this. It falls by `declassify`, which is recorded.
 */
import type { ChatMessageParam } from '../client/types.ts';
import { createAnswers } from './answers.ts';
import type { Conversation, KnownAnswer, Said } from './answers.ts';
import { isAtMost, joinClasses } from './classes.ts';
import type { PrivacyClass } from './classes.ts';
import { createFingerprints } from './fingerprints.ts';
import { createKeyedHash, HASH_KEY_WORDS } from './keyed-hash.ts';
import type { Ledger } from './ledger.ts';
import { readLetters } from './letters.ts';
import type { ReadLetters } from './letters.ts';
import { textsOf } from './message-texts.ts';
import type { MessageText } from './message-texts.ts';
import type { Reading } from './readings.ts';
import { createVault } from './vault.ts';

export interface TaintStore {
  label(messages: readonly ChatMessageParam[], defaults: LabelDefaults): LabelledConversation;
  /**
   * An answer to `to`, or what was thought before it, whole or broken off: it has the class of all that it was made from.
   * `provider` is who gave it.
   */
  remember(answer: string, to: LabelledConversation, provider: string): void;
  /** From now on the text, and what quotes it, has this class. An explicit act: it goes into the ledger. */
  declassify(text: string, to: PrivacyClass, reason: string): void;
  /** What of a text is secret, or derived from what is. */
  classOf(text: string): PrivacyClass;
  /** The same of a text whose readings are there already. */
  classIn(readings: readonly Reading[]): PrivacyClass;
}

export interface LabelDefaults {
  /** Of text without a label. */
  text: PrivacyClass;
  /** Of media without a label. */
  media: PrivacyClass;
  /** The request's own label: of what has none, and at least of the whole. */
  request: PrivacyClass | null;
}

export interface LabelledText extends MessageText {
  class: PrivacyClass;
  /** What the class is from; where several say something, what says the most. */
  source: 'label' | 'fingerprint' | 'request' | 'default';
  /** Who gave it, if it is an answer that was remembered. */
  provider: string | null;
}

export interface LabelledConversation {
  /** In the order of `textsOf`. */
  texts: LabelledText[];
  /** Of the whole, and so of its answer. */
  class: PrivacyClass;
  /** The class that text without a label had. */
  usual: PrivacyClass;
  conversation: Conversation;
}

export interface TaintOptions {
  ledger: Ledger;
  /** Integers from 0 to below its argument. Default: WebCrypto's. */
  random?: ((below: number) => number) | undefined;
  /** What of texts is compared. */
  read?: ReadLetters | undefined;
}

/** Characters of media. */
const MOST_DATA = 200_000;

export function createTaintStore({
  ledger,
  random = randomBelow,
  read = readLetters,
}: TaintOptions): TaintStore {
  const hash = createKeyedHash(Uint32Array.from({ length: HASH_KEY_WORDS }, () => random(2 ** 32)));
  const fingerprints = createFingerprints(hash, read);
  /** Parts that had a label. */
  const labels = new Map<number, PrivacyClass>();
  const answers = createAnswers(hash.combine, () => createVault(random));

  function hashOf(text: string): number {
    const tidy = text.normalize('NFC').replace(/\s+/g, ' ').trim();
    return hash.whole(Int32Array.from({ length: tidy.length }, (_, i) => tidy.charCodeAt(i)));
  }

  function saidOf({ message, role, text }: MessageText): Said {
    return { message, hash: hashOf(text), length: text.length, isAssistants: role === 'assistant' };
  }

  function labelText(
    text: MessageText,
    answer: KnownAnswer | undefined,
    defaults: LabelDefaults,
  ): LabelledText {
    const known = answer?.class ?? labels.get(hashOf(text.text));
    const said = text.label ?? known ?? baseOf(text, defaults);
    const quoted = isRead(text) ? fingerprints.classOf(text.text) : 'public';
    const found = joinClasses(known ?? 'public', quoted);
    const isKnown = !isAtMost(found, said) || (text.label === null && known !== undefined);
    const source = isKnown ? 'fingerprint' : sourceOf(text, defaults);
    return { ...text, class: joinClasses(said, found), source, provider: answer?.provider ?? null };
  }

  /**
   * A label, or a request's, is remembered; a whole request's says nothing of the app's own instructions. True if there is
   * something new to be recognised.
   */
  function keep(text: LabelledText, { text: usual }: LabelDefaults): boolean {
    const isInstruction = text.role === 'system' || text.role === 'developer';
    if (text.source === 'default' || text.source === 'fingerprint') return false;
    if (text.source === 'request' && (isInstruction || text.class === 'public')) return false;
    if (text.text.trim() === '') return false;
    const key = hashOf(text.text);
    if (labels.get(key) === text.class) return false;
    labels.set(key, text.class);
    if (!isRead(text) || isAtMost(text.class, usual)) return false;
    fingerprints.add(text.text, text.class, 'given');
    return true;
  }

  function settle(text: LabelledText): LabelledText {
    if (!isRead(text)) return text;
    const found = fingerprints.classOf(text.text);
    return isAtMost(found, text.class) ? text : { ...text, class: found, source: 'fingerprint' };
  }

  return {
    label(messages, defaults) {
      const unlabelled = textsOf(messages);
      const said = unlabelled.map(saidOf);
      const known = answers.find(said);
      const texts = unlabelled.map((text, i) => labelText(text, known[i], defaults));
      const isNew = texts.filter((text) => keep(text, defaults)).length > 0;
      // What one part says, another may quote, and it need not come first.
      const settled = isNew ? texts.map(settle) : texts;
      return {
        texts: settled,
        class: joinClasses(defaults.request ?? 'public', ...settled.map((text) => text.class)),
        usual: defaults.text,
        conversation: answers.conversationOf(said),
      };
    },
    remember(answer, to, provider) {
      if (answer.trim() === '') return;
      const known: KnownAnswer = { class: to.class, provider };
      const given = { hash: hashOf(answer), length: answer.length };
      answers.remember(given, to.texts.map(saidOf), known, to.conversation);
      if (isAtMost(to.class, to.usual)) fingerprints.addCommon(answer);
      else fingerprints.add(answer, to.class, 'derived');
    },
    declassify(text, to, reason) {
      const key = hashOf(text);
      const answer = answers.find([{ message: 0, hash: key, length: text.length, isAssistants: true }])[0];
      const from = joinClasses(
        fingerprints.classOf(text),
        answer?.class ?? 'public',
        labels.get(key) ?? 'public',
      );
      fingerprints.release(text);
      answers.reclassify(key, to);
      labels.set(key, to);
      ledger.declassified({ from, to, reason });
    },
    classOf: fingerprints.classOf,
    classIn: fingerprints.classIn,
  };
}

/** Whether its letters are compared. In data that are this large and no text there is nothing to find. */
function isRead({ field, text }: MessageText): boolean {
  return field !== 'media' || text.length <= MOST_DATA;
}

function sourceOf({ label }: MessageText, { request }: LabelDefaults): LabelledText['source'] {
  if (label !== null) return 'label';
  return request === null ? 'default' : 'request';
}

function baseOf({ field, role, label }: MessageText, { text, media, request }: LabelDefaults): PrivacyClass {
  if (label !== null) return label;
  const usual = request ?? (field === 'media' || field === 'filename' ? media : text);
  // Nobody knows what they were made from.
  const isOfUnknownOrigin = role === 'assistant' || role === 'tool';
  return isOfUnknownOrigin ? joinClasses(usual, 'personal') : usual;
}

/** Without bias: what does not divide evenly is drawn again. */
function randomBelow(below: number): number {
  const limit = 2 ** 32 - (2 ** 32 % below);
  for (;;) {
    const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
    if (drawn < limit) return drawn % below;
  }
}
