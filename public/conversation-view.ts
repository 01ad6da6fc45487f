/**
 * The conversation as it is seen: turns, and the one that is being written. Text that arrives is gathered and
 * shown once per animation frame, so that fast answers cost the page no more than slow ones; the view scrolls
 * along only while the reader is at its end. Each line of text is a block of its own, so that the browser lays
 * out the last one and not the whole answer.
 */
import { elements } from './elements.ts';

const { log, welcome } = elements;

/** How near to its end, in pixels, a scrolled conversation counts as being at the end. */
const END_MARGIN = 40;

export interface StreamingTurn {
  /** What the model thinks before it answers: in view until the answer begins, then folded away. */
  think(text: string): void;
  append(text: string): void;
  /** Who answers, above the text. */
  badge(badge: HTMLElement): void;
  /** Shows what is left; `facts` go below it. A turn without facts is taken away. */
  finish(facts: string): void;
}

export function showQuestion(text: string): HTMLElement {
  welcome.hidden = true;
  const turn = addTurn('user', 'You');
  addText(turn.body, text);
  log.scrollTop = log.scrollHeight;
  return turn.element;
}

export function openAnswer(): StreamingTurn {
  const { element, body } = addTurn('assistant', 'Answer');
  element.dataset['state'] = 'streaming';
  log.setAttribute('aria-busy', 'true');
  log.scrollTop = log.scrollHeight;
  let thoughts: Thoughts | undefined;
  const gathered = { thought: '', text: '' };
  let frame = 0;

  function paint(): void {
    frame = 0;
    keepAtEnd(() => {
      if (gathered.thought !== '') addText((thoughts ??= addThoughts(body)).body, gathered.thought);
      if (gathered.text !== '') thoughts?.fold();
      addText(body, gathered.text);
    });
    gathered.thought = gathered.text = '';
  }

  function gather(kind: keyof typeof gathered, more: string): void {
    gathered[kind] += more;
    if (more !== '' && frame === 0) frame = requestAnimationFrame(paint);
  }

  return {
    think: (more) => gather('thought', more),
    append: (more) => gather('text', more),
    badge: (badge) => keepAtEnd(() => element.querySelector('h2')?.after(badge)),
    finish(facts) {
      cancelAnimationFrame(frame);
      paint();
      thoughts?.fold();
      delete element.dataset['state'];
      log.removeAttribute('aria-busy');
      if (facts === '') element.remove();
      else keepAtEnd(() => element.append(paragraph('facts', facts)));
    },
  };
}

export function clearConversation(): void {
  for (const turn of log.querySelectorAll('.turn')) turn.remove();
  welcome.hidden = false;
}

function addTurn(role: 'user' | 'assistant', title: string): { element: HTMLElement; body: HTMLElement } {
  const element = document.createElement('article');
  element.className = 'turn';
  element.dataset['role'] = role;
  const heading = document.createElement('h2');
  heading.className = 'visually-hidden';
  heading.textContent = title;
  const body = document.createElement('div');
  body.className = 'text';
  element.append(heading, body);
  log.append(element);
  return { element, body };
}

interface Thoughts {
  body: HTMLElement;
  /** The first time; later the reader decides. */
  fold(): void;
}

function addThoughts(answer: HTMLElement): Thoughts {
  const details = document.createElement('details');
  const summary = document.createElement('summary');
  const body = document.createElement('div');
  details.className = 'thoughts';
  details.open = true;
  summary.textContent = 'Thinking …';
  details.append(summary, body);
  answer.before(details);
  return {
    body,
    fold() {
      if (summary.textContent === 'Thoughts') return;
      summary.textContent = 'Thoughts';
      details.open = false;
    },
  };
}

/** A line keeps its line feed: a copy of the text has it, and an empty line has its height. */
function addText(body: HTMLElement, text: string): void {
  for (const piece of text.match(/[^\n]*\n|[^\n]+/g) ?? []) {
    const last = body.lastElementChild?.lastChild;
    if (last instanceof Text && !last.data.endsWith('\n')) last.appendData(piece);
    else body.append(paragraph('line', piece));
  }
}

function paragraph(className: string, content: string): HTMLElement {
  const made = document.createElement('p');
  made.className = className;
  made.textContent = content;
  return made;
}

function keepAtEnd(change: () => void): void {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < END_MARGIN;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
