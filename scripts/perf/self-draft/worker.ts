/**
 * The target as its own drafter, measured where the session is: no application can reach the draft view. Reads a text up to
 * a length, then goes on greedily, plainly or with drafts, from there as often as it is asked.
 */
import type { KvCache, Session, SessionOptions } from '../../../src/backend/session.ts';
import { createWasmSink, runKernelThread, THREAD_NAME } from '../../../src/backend/wasm/index.ts';
import { planModel } from '../../../src/model/architectures.ts';
import { readGgufHeader } from '../../../src/model/gguf.ts';
import { createTokenizer } from '../../../src/model/tokenizer.ts';
import type { Drafter } from '../../../src/speculation/drafter.ts';
import { createSelfDrafter } from '../../../src/speculation/self-drafter.ts';
import { GREEDY } from '../../../src/backend/greedy.ts';

declare const self: DedicatedWorkerGlobalScope;

export type SelfDraftRequest =
  | { method: 'open'; url: string; text: string; options: SessionOptions }
  /** The `length` tokens of the text from `start` on are the prompt. */
  | { method: 'read'; start: number; length: number }
  /** `lookahead` tokens are drafted before each step; 0 is plain decoding. */
  | { method: 'speak'; count: number; lookahead: number };

interface Opened {
  session: Session;
  cache: KvCache;
  ids: readonly number[];
  prompt: readonly number[];
}

let opened: Opened | undefined;

if (self.name === THREAD_NAME) runKernelThread(self);
else {
  self.addEventListener('message', ({ data }: MessageEvent<SelfDraftRequest>) => {
    answer(data).then(
      (result) => self.postMessage({ result }),
      (error: unknown) => self.postMessage({ error: String(error) }),
    );
  });
}

async function answer(request: SelfDraftRequest): Promise<unknown> {
  if (request.method === 'open') return open(request);
  if (!opened) throw new Error('No session is open');
  if (request.method === 'read') return read(opened, request);
  return speak(opened, request);
}

async function open({
  url,
  text,
  options,
}: Extract<SelfDraftRequest, { method: 'open' }>): Promise<{ tokens: number }> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const header = readGgufHeader(bytes);
  const plan = planModel(header);
  const sink = await createWasmSink(plan, options);
  const start = plan.tensors[0]!.fileOffset;
  sink.write(start, bytes.subarray(start));
  const session = await sink.finish();
  const ids = createTokenizer(header).encode(text, { parseSpecial: false });
  opened = { session, cache: session.createCache(), ids, prompt: [] };
  return { tokens: ids.length };
}

/** All of the prompt but its last token. */
async function read(
  target: Opened,
  { start, length }: Extract<SelfDraftRequest, { method: 'read' }>,
): Promise<void> {
  const { session, cache, ids } = target;
  target.prompt = ids.slice(start, start + length);
  if (target.prompt.length < length) throw new Error(`The text has ${ids.length} tokens`);
  const { maxBatch } = session.info();
  cache.rewind(0);
  for (let at = 0; at < length - 1; at += maxBatch) {
    await session.step(target.prompt.slice(at, Math.min(at + maxBatch, length - 1)), cache, []);
  }
}

async function speak(
  { session, cache, prompt }: Opened,
  { count, lookahead }: Extract<SelfDraftRequest, { method: 'speak' }>,
): Promise<{ ids: number[]; ms: number; drafted: number; accepted: number }> {
  cache.rewind(prompt.length - 1);
  const now = (): number => performance.now();
  const drafter = createSelfDrafter({ session, liveCache: () => cache, endTokens: new Set<number>(), now });
  drafter.observe(prompt);
  const said: number[] = [];
  let [drafted, accepted] = [0, 0];
  const start = now();
  for (let last = prompt[prompt.length - 1]!; said.length < count;) {
    const position = prompt.length + said.length;
    const draft = await draftOf(drafter, position, Math.min(lookahead, count - said.length - 1));
    const fed = [last, ...draft];
    const picks = await session.step(
      fed,
      cache,
      fed.map((_, row) => ({ row, sampling: GREEDY })),
    );
    let right = 0;
    while (right < draft.length && draft[right] === picks[right]!.id) right += 1;
    if (right < draft.length) cache.rewind(position + right);
    const committed = picks.slice(0, right + 1).map(({ id }) => id);
    drafter.observe(committed);
    said.push(...committed);
    last = committed[committed.length - 1]!;
    drafted += draft.length;
    accepted += right;
  }
  return { ids: said, ms: now() - start, drafted, accepted };
}

async function draftOf(drafter: Drafter, position: number, most: number): Promise<Int32Array> {
  if (most < 1) return new Int32Array();
  const free = new Int32Array();
  const draft = await drafter.propose({ sampling: GREEDY, position, free, goesOn: () => true }, most);
  return draft?.ids ?? free;
}
