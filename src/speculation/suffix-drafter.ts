/**
 * Drafts from the conversation itself, prompt and answer: the longest end of the text that occurred before, and what
 * followed it then (SAM-Decoding, arXiv:2411.10666). Free where an answer quotes, edits or repeats.
 */
import { continuation } from './continuation.ts';
import type { Drafter } from './drafter.ts';
import { SuffixAutomaton } from './suffix-automaton.ts';

/** Room that is made for an answer together with its prompt's, in tokens, so that no step has to. */
const ANSWER_TOKENS = 2048;

export function createSuffixDrafter(): Drafter {
  const automaton = new SuffixAutomaton();
  const text: number[] = [];
  /** So many of its tokens are in the automaton, which can only grow: after a rewind it starts anew. */
  let read = 0;

  function catchUp(): void {
    if (read === 0) automaton.reserve(text.length + ANSWER_TOKENS);
    while (read < text.length) automaton.append(text[read++]!);
  }

  function rewind(length: number): void {
    text.length = Math.min(text.length, length);
    if (read <= text.length) return;
    automaton.clear();
    read = 0;
  }

  return {
    id: 'suffix',
    free: true,
    propose(_context, maxLength) {
      catchUp();
      const state = automaton.repeated;
      return continuation(automaton, state, { matchLength: automaton.length(state), maxLength });
    },
    observe(committed) {
      for (let i = 0; i < committed.length; i++) text.push(committed[i]!);
      catchUp();
    },
    rewind,
    reset: () => rewind(0),
  };
}
