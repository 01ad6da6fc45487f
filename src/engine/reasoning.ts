/**
 * Parts what a model thinks from what it answers. Text arrives in pieces that know nothing of tags: what could be the
 * beginning of one waits. White space around the tags belongs to neither part. Pure: only text.
 *
 * Thinking comes first or not at all. Where the prompt itself ends with the opening tag it has begun already; a tag
 * further on in the answer is text like any other.
 */
import { longestPrefixAtEnd } from './stop-strings.ts';

export interface Parted {
  reasoning: string;
  text: string;
}

export interface ReasoningFilter {
  push(text: string): Parted;
  /** No more text will come: what was held back. */
  flush(): Parted;
  /** Whether any thinking has begun. */
  readonly reasons: boolean;
  /** How much text came before the answer, closing tag included; undefined: the answer has not begun. */
  readonly answerStart: number | undefined;
}

export interface ReasoningOptions {
  /** Undefined: the model does not think. */
  tags: { open: string; close: string } | undefined;
  /** The prompt ends with the opening tag. */
  isOpen: boolean;
}

export function createReasoningFilter({ tags, isOpen }: ReasoningOptions): ReasoningFilter {
  let phase: 'undecided' | 'reasoning' | 'answer' = tags ? (isOpen ? 'reasoning' : 'undecided') : 'answer';
  let reasons = phase === 'reasoning';
  let answerStart = phase === 'answer' ? 0 : undefined;
  let held = '';
  let received = 0;
  /** White space is dropped until something else comes. */
  let isFirst = true;

  function visible(text: string): string {
    const rest = isFirst ? text.trimStart() : text;
    if (rest !== '') isFirst = false;
    return rest;
  }

  function answer(text: string): Parted {
    return { reasoning: '', text: reasons ? visible(text) : text };
  }

  function decide(open: string, close: string): Parted {
    const begun = held.trimStart();
    if (begun.startsWith(open)) {
      phase = 'reasoning';
      reasons = true;
      held = begun.slice(open.length);
      return reason(close);
    }
    if (open.startsWith(begun)) return { reasoning: '', text: '' };
    phase = 'answer';
    answerStart = 0;
    return answer(takeHeld());
  }

  function reason(close: string): Parted {
    const end = held.indexOf(close);
    if (end < 0) {
      const body = held.slice(0, held.length - longestPrefixAtEnd(held, [close])).trimEnd();
      held = held.slice(body.length);
      return { reasoning: visible(body), text: '' };
    }
    const reasoning = visible(held.slice(0, end).trimEnd());
    held = held.slice(end + close.length);
    phase = 'answer';
    answerStart = received - held.length;
    isFirst = true;
    return { reasoning, text: answer(takeHeld()).text };
  }

  function takeHeld(): string {
    const text = held;
    held = '';
    return text;
  }

  return {
    push(text) {
      received += text.length;
      if (phase === 'answer' || !tags) return answer(text);
      held += text;
      return phase === 'undecided' ? decide(tags.open, tags.close) : reason(tags.close);
    },
    flush() {
      const rest = takeHeld();
      if (phase === 'reasoning') return { reasoning: visible(rest.trimEnd()), text: '' };
      phase = 'answer';
      answerStart ??= 0;
      return answer(rest);
    },
    get reasons() {
      return reasons;
    },
    get answerStart() {
      return answerStart;
    },
  };
}
