/**
 * Where in a Markdown text one is, as it arrives: in running text, in code, or in an address. In doubt it is code or an address,
 * because what is private is not put there. Fed with text in pieces of any size; the answer depends on the text only.
 */
import type { TextPlace } from './text-place.ts';

/** What of a line is remembered. */
const LINE_LENGTH = 512;

/** What a line says up to the place, if an address goes on there. */
const ADDRESSES = [
  // An address that was begun, with the slashes escaped or not.
  /(?:[a-z][a-z0-9+.-]*:\\?\/\\?\/|\bwww\.|\b(?:mailto|tel|sms|data|javascript):)[^\s<>"'`]*$/i,
  // A host and a path, which many make a link of.
  /\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?::\d+)?[/?#][^\s<>"'`]*$/i,
  // A link's destination and title.
  /\]\([^)\n]*$/,
  // A reference's definition.
  /^[\s>]*\[[^\]]+\]:\s*\S*$/,
  // An attribute of HTML.
  /\b(?:href|src|srcset|action|formaction|cite|data|poster|background|ping|style)\s*=\s*(?:"[^"]*|'[^']*|[^\s>"']*)$/i,
];
/** Behind an address. */
const ENDS_ADDRESS = /[\s<>"'`]/;
/** Before the fence of a block of code: quotes and lists. */
const BEFORE_FENCE = /^[\s>*+\-.)\d]*$/;

export function createMarkdownPlace(): TextPlace {
  let line = '';
  let isLongLine = false;
  /** An address goes on that began before what is remembered. */
  let isLongAddress = false;
  /** The run of backticks or tildes that goes on. */
  let run = '';
  let fence = '';
  /** On this line a fence may have closed the block, if nothing else follows. */
  let isClosing = false;
  /** Of the code in a line that goes on. */
  let ticks = '';

  function endRun(): void {
    if (run === '') return;
    const before = line.slice(0, line.length - run.length);
    const isFence = run.length >= 3 && !isLongLine && BEFORE_FENCE.test(before);
    if (fence !== '') isClosing = isFence && run.startsWith(fence);
    else if (isFence && ticks === '') fence = run;
    else if (run.startsWith('`') && ticks !== '') ticks = run === ticks ? '' : ticks;
    else if (run.startsWith('`') && !before.endsWith('\\')) ticks = run;
    run = '';
  }

  function isAddress(): boolean {
    return isLongAddress || ADDRESSES.some((address) => address.test(line));
  }

  function endLine(): void {
    if (isClosing) {
      fence = '';
      isClosing = false;
    }
    // A paragraph ends, and with it what was not closed.
    if (!isLongLine && line.trim() === '') ticks = '';
    line = '';
    isLongLine = isLongAddress = false;
  }

  function take(character: string): void {
    const isTick = character === '`' || character === '~';
    if (!isTick || (run !== '' && !run.startsWith(character))) endRun();
    if (character === '\n') {
      endLine();
      return;
    }
    if (isTick) run += character;
    else if (!/\s/.test(character)) isClosing = false;
    line += character;
    if (ENDS_ADDRESS.test(character)) isLongAddress = false;
    if (line.length > 2 * LINE_LENGTH) {
      isLongAddress = isAddress();
      line = line.slice(-LINE_LENGTH);
      isLongLine = true;
    }
  }

  return {
    advance(text) {
      for (let i = 0; i < text.length; i++) take(text[i] ?? '');
    },
    here() {
      endRun();
      if (fence !== '' || ticks !== '') return 'code';
      return isAddress() ? 'url' : 'text';
    },
    quote: (value) => value,
  };
}
