/** What stands around the parts that keep the promise: an endpoint that says what it is told, what fails, what is searched for. */
import { tokensOf } from '../../../e2e/fixtures/cloud/scripted-model.mjs';
import type { Reply } from '../../../e2e/fixtures/cloud/scripted-model.mjs';
import type { Fault } from '../../../e2e/fixtures/cloud/wire.mjs';
import type { ChatMessageParam } from '../../../src/client/types.ts';
import { mergeOverlaps } from '../../../src/privacy/detect-merge.ts';
import { viewOf } from '../../../src/privacy/detect-normalise.ts';
import { recognise } from '../../../src/privacy/detect-recognise.ts';
import { createTermMatcher } from '../../../src/privacy/detect-terms.ts';
import type { Detection } from '../../../src/privacy/detection.ts';

/** How an attempt goes: often well. */
export const FATES: Fault[] = [
  {},
  {},
  {},
  {},
  { status: 429 },
  { status: 503 },
  { status: 401 },
  { hangUp: true },
  { cut: 300 },
  { malformed: 2 },
  { duplicate: 1 },
  { error: 2 },
];

/** The endpoint's model: it says again what it was told last. */
export function echo(body: unknown): Reply {
  const { messages } = body as { messages: ChatMessageParam[] };
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  const last = typeof content === 'string' ? content : JSON.stringify(content ?? '');
  return { tokens: tokensOf(`You said: ${last}`), finish: 'stop', promptTokens: 1 };
}

/** Everything but names, for which the talk here has no use; nothing else in it is personal. */
export function createDetect(terms: readonly string[]): (text: string) => Detection {
  const matcher = createTermMatcher(terms);
  return (text) => ({
    findings: mergeOverlaps(recognise(viewOf(text), { terms: matcher, more: [] })),
    residualRisk: 0,
  });
}
