/**
 * The chat page: loads the default model, keeps one conversation, streams the answers. It uses the public entry
 * only, as any app would. Text is gathered and shown once per animation frame; a screen reader hears the whole
 * answer when it is finished, not every token.
 */
import {
  createClient,
  type ChatMessageParam,
  type Client,
  type LoadProgress,
  type Timings,
} from '../src/index.ts';

const MODEL = 'models/smollm2-135m-instruct-q4_1.gguf';
const PHASES = {
  download: 'Fetching the model',
  verify: 'Checking the model',
  read: 'Reading the model',
  pack: 'Preparing the model',
  ready: 'Ready',
};

const loading = element('loading', HTMLElement);
const progress = element('progress', HTMLProgressElement);
const loadStatus = element('load-status', HTMLElement);
const log = element('log', HTMLElement);
const announcement = element('announcement', HTMLElement);
const composer = element('composer', HTMLFormElement);
const prompt = element('prompt', HTMLTextAreaElement);
const send = element('send', HTMLButtonElement);
const stop = element('stop', HTMLButtonElement);
const speed = element('speed', HTMLElement);

const messages: ChatMessageParam[] = [];
let answering: AbortController | undefined;

await start();

async function start(): Promise<void> {
  try {
    const client = await createClient({ model: MODEL, onProgress: showProgress });
    const { threads, simd, model } = await client.info();
    speed.textContent = `${model.id}: ${threads === 1 ? '1 thread' : `${threads} threads`}, SIMD ${simd}`;
    loading.hidden = true;
    composer.addEventListener('submit', (event) => {
      event.preventDefault();
      void answer(client);
    });
    prompt.disabled = send.disabled = false;
    prompt.focus();
  } catch (error) {
    progress.hidden = true;
    loadStatus.textContent = textOf(error);
  }
}

prompt.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') answering?.abort();
});
stop.addEventListener('click', () => answering?.abort());

async function answer(client: Client): Promise<void> {
  const content = prompt.value.trim();
  if (content === '' || answering) return;
  prompt.value = '';
  messages.push({ role: 'user', content });
  addTurn('user', content);
  answering = new AbortController();
  showAnswering(true);
  const turn = addTurn('assistant', '');
  const show = painter(turn);
  let text = '';
  try {
    const stream = await client.chat.completions.create(
      { messages, stream: true, temperature: 0.7, top_p: 0.9 },
      { signal: answering.signal, context: 'drop-oldest' },
    );
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      show(text);
      if (chunk.timings) showSpeed(chunk.timings);
    }
  } catch (error) {
    if (!answering.signal.aborted) text = textOf(error);
  }
  turn.textContent = text;
  announcement.textContent = text;
  messages.push({ role: 'assistant', content: text });
  answering = undefined;
  showAnswering(false);
}

function showProgress({ phase, loadedBytes, totalBytes, bytesPerSecond }: LoadProgress): void {
  progress.value = totalBytes > 0 ? loadedBytes / totalBytes : 0;
  const megabytes = `${(loadedBytes / 1e6).toFixed(0)} of ${(totalBytes / 1e6).toFixed(0)} MB`;
  const rate = bytesPerSecond > 0 ? `, ${(bytesPerSecond / 1e6).toFixed(1)} MB/s` : '';
  loadStatus.textContent = `${PHASES[phase]}: ${megabytes}${rate}`;
}

function showSpeed({ predicted_per_second, predicted_n, prompt_n, prompt_ms, cache_n }: Timings): void {
  speed.textContent =
    `${predicted_per_second.toFixed(0)} tokens/s over ${predicted_n} tokens; ` +
    `prompt: ${prompt_n} tokens in ${prompt_ms.toFixed(0)} ms, ${cache_n} kept from before`;
}

function showAnswering(active: boolean): void {
  log.setAttribute('aria-busy', String(active));
  send.hidden = active;
  stop.hidden = !active;
}

/** Shows the latest text once per frame, and scrolls along only when the reader is at the bottom. */
function painter(turn: HTMLElement): (text: string) => void {
  let latest = '';
  let scheduled = false;
  return (text) => {
    latest = text;
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (answering) turn.textContent = latest;
      keepAtBottom();
    });
  };
}

function addTurn(role: 'user' | 'assistant', text: string): HTMLElement {
  const turn = document.createElement('div');
  turn.className = 'turn';
  turn.dataset['role'] = role;
  turn.textContent = text;
  log.append(turn);
  turn.scrollIntoView({ block: 'end' });
  return turn;
}

function keepAtBottom(): void {
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 80) log.scrollTop = log.scrollHeight;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} #${id}.`);
  return found;
}
