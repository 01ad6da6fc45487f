/** The client itself as what keeps the promise: only the browser, the arithmetic and the network are not real. */
import { CompletionStream } from '../../../src/client/completion-stream.ts';
import type { ChatCompletion, ChatCompletionChunk } from '../../../src/client/types.ts';
import { openRouted } from '../../fakes/routed.ts';
import type { Random } from '../../models/random.ts';
import { pick } from './canaries.ts';
import type { Keeper } from './run.ts';
import { createDetect, echo, FATES } from './surroundings.ts';

/** As many attempts as one request can make. */
const ATTEMPTS = 12;

export async function openClientKeeper(random: Random, terms: readonly string[]): Promise<Keeper> {
  let says = '';
  const detect = createDetect(terms);
  const { routing, cloud, events, local } = await openRouted({
    policy: { prefer: 'cloud', sticky: 'off', terms },
    detector: { detect: async (text) => detect(text) },
    answer: () => says,
    model: echo,
  });
  const errors: string[] = [];

  /** The answer as far as it came. */
  async function read(
    answered: ChatCompletion | CompletionStream<ChatCompletionChunk>,
    hear: (text: string, plan?: string) => void,
  ): Promise<void> {
    if (!(answered instanceof CompletionStream)) {
      hear(answered.choices[0]?.message.content ?? '', answered.selvedge?.decision.plan);
      return;
    }
    for await (const { choices, selvedge } of answered)
      hear(choices[0]?.delta.content ?? '', selvedge?.decision.plan);
  }

  return {
    get sent() {
      return cloud.received.flatMap(({ url, headers, body = '' }) => [url, JSON.stringify(headers), body]);
    },
    get told() {
      return [...events.map((event) => JSON.stringify(event)), ...errors];
    },
    async ask(messages, turn) {
      says = turn.says;
      cloud.failNext(...Array.from({ length: ATTEMPTS }, () => pick(random, FATES)));
      let answer = '';
      let plan = 'failed';
      try {
        const answered = await routing.createChat({
          messages,
          stream: random.below(2) === 0,
          temperature: 0,
          selvedge: { route: turn.route, privacy: turn.privacy },
        });
        await read(answered, (text, decided) => {
          answer += text;
          plan = decided ?? plan;
        });
      } catch (error) {
        // What had come of an answer is the app's, and no report.
        const { message, code } = error as { message: string; code?: string };
        errors.push(`${code} ${message}`);
        plan = code === 'no_route' ? 'refuse' : 'failed';
      }
      return { answer: answer === '' ? null : answer, plan };
    },
    close: () => local.client.close(),
  };
}
