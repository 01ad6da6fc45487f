/**
 * Drafts from past answers: the longest end of the sequence that occurs in one of them, and what followed there
 * (SuffixDecoding, arXiv:2411.04975). The answers are learnt piece by piece, when there is time. The oldest go first: as an
 * automaton cannot forget, a new one learns the newer half when it is full, and takes over once it has.
 */
import { continuation } from './continuation.ts';
import type { Drafter } from './drafter.ts';
import { SuffixAutomaton } from './suffix-automaton.ts';
import { LONGEST_MATCH, SuffixMatcher } from './suffix-matcher.ts';

export interface PastOutputs {
  drafter: Drafter;
  /** An answer that is newer than all before it. */
  add(ids: ArrayLike<number>): void;
  /** Learns about so many tokens; false when nothing is left to learn. */
  learn(tokens: number): boolean;
  /** Forgets all of them. */
  clear(): void;
}

/** Tokens of answers that are known at a time; an automaton of them takes some 10 MB. */
export const MOST_TOKENS = 65_536;

/** The answers in an automaton, and where the next token comes from. */
interface Lesson {
  automaton: SuffixAutomaton;
  output: number;
  token: number;
}

export function createPastOutputs(mostTokens = MOST_TOKENS): PastOutputs {
  /** Oldest first. */
  let outputs: Int32Array[] = [];
  let held = 0;
  let lesson = begin();
  /** What is matched: an older one while a new one learns. */
  let { automaton } = lesson;
  const sequence = createSequence();

  function dropOldest(): void {
    let gone = 0;
    while (held > mostTokens / 2) held -= outputs[gone++]!.length;
    outputs = outputs.slice(gone);
    lesson = begin();
  }

  return {
    drafter: {
      id: 'past',
      free: true,
      propose(_context, maxLength) {
        const { state, length } = sequence.match(automaton);
        return continuation(automaton, state, { matchLength: length, maxLength });
      },
      observe: (committed) => sequence.push(committed),
      rewind: (length) => sequence.rewind(length),
      reset: () => sequence.rewind(0),
    },
    add(ids) {
      const output = Int32Array.from(ids).slice(-mostTokens / 2);
      outputs.push(output);
      held += output.length;
      if (held > mostTokens) dropOldest();
    },
    learn(tokens) {
      let left = tokens;
      for (; lesson.output < outputs.length && left > 0; left--) {
        const output = outputs[lesson.output]!;
        if (lesson.token < output.length) lesson.automaton.append(output[lesson.token++]!);
        else {
          lesson.automaton.separate();
          lesson.output += 1;
          lesson.token = 0;
        }
      }
      const isBehind = lesson.output < outputs.length;
      if (!isBehind) ({ automaton } = lesson);
      sequence.forgetMatch();
      return isBehind;
    },
    clear() {
      outputs = [];
      held = 0;
      lesson = begin();
      ({ automaton } = lesson);
      sequence.forgetMatch();
    },
  };
}

function begin(): Lesson {
  return { automaton: new SuffixAutomaton(), output: 0, token: 0 };
}

/** The sequence that is continued, matched as far as it was asked for. */
function createSequence(): {
  push(committed: ArrayLike<number>): void;
  rewind(length: number): void;
  /** The automaton is another, or has grown. */
  forgetMatch(): void;
  match(automaton: SuffixAutomaton): SuffixMatcher;
} {
  const text: number[] = [];
  let matcher: SuffixMatcher | undefined;
  /** Tokens of `text` that the matcher has seen. */
  let matched = 0;
  return {
    push(committed) {
      for (let i = 0; i < committed.length; i++) text.push(committed[i]!);
    },
    rewind(length) {
      text.length = Math.min(text.length, length);
      if (matched > text.length) matcher = undefined;
    },
    forgetMatch() {
      matcher = undefined;
    },
    match(automaton) {
      if (!matcher || text.length - matched > LONGEST_MATCH) {
        matcher = new SuffixMatcher(automaton);
        matched = Math.max(0, text.length - LONGEST_MATCH);
      }
      while (matched < text.length) matcher.push(text[matched++]!);
      return matcher;
    },
  };
}
