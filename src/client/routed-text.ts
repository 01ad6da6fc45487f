/**
 * Raw completions of a client that has a cloud: always answered on this device, under the class that their prompt has by now,
 * and remembered, since what they say may be sent in a chat.
 */
import type { LabelDefaults, TaintStore } from '../privacy/taint.ts';
import { LOCAL_ID } from '../provider/local.ts';
import { isRecord } from './checks.ts';
import { CompletionStream } from './completion-stream.ts';
import { readLabel, readSelvedge } from './privacy.ts';
import type { Completion, CompletionChunk } from './types.ts';

export interface RoutedTextParts {
  createText(params: unknown, options: unknown): Promise<unknown>;
  store: TaintStore;
  defaults: Pick<LabelDefaults, 'text' | 'media'>;
}

export function createRoutedText({ createText, store, defaults }: RoutedTextParts) {
  return async (params: unknown, options?: unknown): Promise<unknown> => {
    if (!isRecord(params)) return createText(params, options);
    const said = readSelvedge(params['selvedge'], ['privacy', 'route', 'deadlineMs', 'maxCost']);
    const label = said['privacy'] ?? null;
    const labelled = store.label([{ role: 'user', content: textOf(params['prompt']) }], {
      ...defaults,
      request: label === null ? null : readLabel(label, 'selvedge.privacy'),
    });
    const asked = { ...params, selvedge: { ...said, privacy: labelled.class } };
    const answered = (await createText(asked, options)) as Completion | CompletionStream<CompletionChunk>;
    const remember = (text: string): void => store.remember(text, labelled, LOCAL_ID);
    if (answered instanceof CompletionStream) {
      return new CompletionStream(follow(answered, remember), () => answered.abort());
    }
    for (const { text } of answered.choices) remember(text);
    return answered;
  };
}

/** Of token ids nothing is known but the label. */
function textOf(prompt: unknown): string {
  const [only] = Array.isArray(prompt) ? (prompt as unknown[]) : [prompt];
  return typeof only === 'string' ? only : '';
}

async function* follow(
  chunks: AsyncIterable<CompletionChunk>,
  remember: (text: string) => void,
): AsyncGenerator<CompletionChunk, void, undefined> {
  const texts: string[] = [];
  const close = (index: number): void => {
    remember(texts[index] ?? '');
    texts[index] = '';
  };
  try {
    for await (const chunk of chunks) {
      for (const { index, text, finish_reason: finish } of chunk.choices) {
        texts[index] = (texts[index] ?? '') + text;
        if (finish !== null) close(index);
      }
      yield chunk;
    }
  } finally {
    for (const index of texts.keys()) close(index);
  }
}
