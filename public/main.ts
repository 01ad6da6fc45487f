/**
 * The chat page: loads a model, keeps one conversation, streams the answers. It uses the public entry only, as
 * any app would. A screen reader hears each phase of loading and the whole answer when it is finished, not every
 * token. The address can name another model (`?model=`), a seed for answers that repeat (`?seed=`), the number of
 * threads (`?threads=`), and an endpoint on this machine that may answer what is not secret (`?cloud=`, as `npm run cloud`
 * prints it).
 */
import { createClient, SelvedgeError } from '../src/index.ts';
import type { ChatMessageParam, Client, ClientOptions, LoadProgress, Privacy } from '../src/index.ts';
import { clearConversation, openAnswer, showQuestion } from './conversation-view.ts';
import { elements } from './elements.ts';
import { createBadge, showRouting } from './routing-view.ts';
import { answerText, engineText, phaseText, progressText } from './wording.ts';

const { composer, prompt, privacy, send, stop, clear, suggestions, announcement } = elements;
const { engine, loading, progress, loadStatus, trouble, troubleText, retry } = elements;

const settings = new URLSearchParams(location.search);
const model = settings.get('model') ?? 'models/smollm2-135m-instruct-q4_1.gguf';
const seed = settings.has('seed') ? Number(settings.get('seed')) : null;
const threads = settings.has('threads') ? Number(settings.get('threads')) : undefined;
const endpoint = settings.get('cloud');
const routing = endpoint === null ? {} : routingTo(endpoint);

/** What suits a small model: near its best guess, and not round in circles; by what endpoints know too, where there is one. */
const TASTE = {
  temperature: 0.2,
  top_p: 0.9,
  max_tokens: 1024,
  ...(endpoint === null ? { repetition_penalty: 1.1 } : { frequency_penalty: 0.3 }),
};

let client: Client | undefined;
let messages: ChatMessageParam[] = [];
let answering: AbortController | undefined;

listen();
await load();

async function load(): Promise<void> {
  trouble.hidden = true;
  loading.hidden = false;
  progress.removeAttribute('value');
  loadStatus.textContent = 'Starting the engine …';
  try {
    client = await createClient({ model, threads, ...routing, onProgress: showProgress });
    if (endpoint !== null) showRouting(client);
    engine.textContent = engineText(await client.info());
    announcement.textContent = 'The model is ready.';
    showReady(true);
    prompt.focus();
  } catch (error) {
    showTrouble(error, true);
  }
  loading.hidden = true;
}

async function answer(): Promise<void> {
  const content = prompt.value.trim();
  if (content === '' || answering || !client) return;
  const controller = (answering = new AbortController());
  const label = endpoint === null ? {} : { privacy: privacy.value as Privacy };
  const asked: ChatMessageParam[] = [...messages, { role: 'user', content, ...label }];
  prompt.value = '';
  trouble.hidden = true;
  const question = showQuestion(content);
  const turn = openAnswer();
  showAnswering(true);
  const sentAt = performance.now();
  let firstMs = 0;
  let text = '';
  let facts = '';
  try {
    const stream = await client.chat.completions.create(
      { messages: asked, stream: true, seed, ...TASTE },
      { signal: controller.signal, context: 'drop-oldest' },
    );
    let isFirst = true;
    for await (const { choices, timings, selvedge } of stream) {
      if (isFirst) turn.badge(createBadge(selvedge?.decision));
      isFirst = false;
      const { content: more = '', reasoning_content: thought = '' } = choices[0]?.delta ?? {};
      if (firstMs === 0 && more + thought !== '') firstMs = performance.now() - sentAt;
      text += more;
      turn.think(thought);
      turn.append(more);
      if (timings) facts = answerText(timings, firstMs);
    }
  } catch (error) {
    if (controller.signal.aborted) facts = 'Stopped';
    else if (text !== '') facts = 'Broken off';
    if (!controller.signal.aborted) showFailure(error);
  }
  turn.finish(facts);
  if (controller !== answering) return;
  answering = undefined;
  if (facts === '') {
    // Nothing came of it: what was asked goes back to where it can be changed and sent again.
    question.remove();
    if (prompt.value === '') prompt.value = content;
    if (messages.length === 0) clearConversation();
  } else {
    messages = [...asked, { role: 'assistant', content: text }];
    announcement.textContent = text;
  }
  showAnswering(false);
}

function routingTo(baseURL: string): Pick<ClientOptions, 'cloud' | 'policy'> {
  return {
    cloud: [{ id: new URL(baseURL, location.href).host, baseURL, model: 'default', contextLength: 8192 }],
    policy: { prefer: 'cloud', detectionTimeoutMs: 20_000 },
  };
}

function showFailure(error: unknown): void {
  const isDead = error instanceof SelvedgeError && error.code === 'worker_crashed';
  if (isDead) showReady(false);
  showTrouble(error, isDead);
}

function startOver(): void {
  answering?.abort();
  answering = undefined;
  messages = [];
  clearConversation();
  trouble.hidden = true;
  showAnswering(false);
}

function listen(): void {
  composer.addEventListener('submit', (event) => {
    event.preventDefault();
    void answer();
  });
  prompt.addEventListener('keydown', (event) => {
    // 229: the Enter that ends a composition, in browsers that report it after the composition's end.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    void answer();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing) answering?.abort();
  });
  suggestions.addEventListener('click', ({ target }) => {
    if (!(target instanceof HTMLButtonElement)) return;
    prompt.value = target.textContent ?? '';
    void answer();
  });
  stop.addEventListener('click', () => answering?.abort());
  clear.addEventListener('click', startOver);
  retry.addEventListener('click', () => void load());
}

function showProgress(now: LoadProgress): void {
  const { phase, loadedBytes, totalBytes } = now;
  // Preparing has no measure: the bar without a value says that something goes on.
  if (phase === 'pack' || totalBytes === 0) progress.removeAttribute('value');
  else progress.value = loadedBytes / totalBytes;
  loadStatus.textContent = progressText(now);
  if (announcement.textContent !== phaseText(phase)) announcement.textContent = phaseText(phase);
}

function showReady(isReady: boolean): void {
  prompt.disabled = send.disabled = !isReady;
  for (const button of suggestions.querySelectorAll('button')) button.disabled = !isReady;
}

function showAnswering(isAnswering: boolean): void {
  send.hidden = isAnswering;
  stop.hidden = !isAnswering;
  clear.disabled = messages.length === 0 && !isAnswering;
  if (!prompt.disabled) prompt.focus();
}

function showTrouble(error: unknown, mayRetry: boolean): void {
  troubleText.textContent = error instanceof Error ? error.message : String(error);
  retry.hidden = !mayRetry;
  trouble.hidden = false;
}
