/**
 * The page that a lane opens: does the task that stands behind the # of its address with the built library, and sends what
 * came of it to the address that stands there too.
 */
import type { createClient as CreateClient } from '../../src/index.ts';
import type { ChatResult, ChatTask, Report, RunTask, Task } from './tasks.ts';
import type { RunResult } from '../fixtures/processors/run.ts';

const { task, reportTo } = JSON.parse(decodeURIComponent(location.hash.slice(1))) as {
  task: Task;
  reportTo: string;
};

async function perform(): Promise<Report> {
  try {
    return { result: task.kind === 'chat' ? await chat(task) : await runKernels(task) };
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    return { error: { code: String(code), message: String(error) } };
  }
}

async function chat({ model, options, prompt, maxTokens }: ChatTask): Promise<ChatResult> {
  const address = new URL('/dist/lib/index.js', location.href).href;
  const { createClient } = (await import(address)) as { createClient: typeof CreateClient };
  const client = await createClient({ model, ...options });
  try {
    const { threads, simd, isIsolated, model: loaded } = await client.info();
    const answer = await client.completions.create({ prompt, max_tokens: maxTokens, temperature: 0 });
    const { predicted_n: count, predicted_ms: ms } = answer.timings;
    return {
      text: answer.choices[0]?.text ?? '',
      threads,
      simd,
      isIsolated,
      isKept: loaded.isKept,
      origin: loaded.origin,
      tokensPerSecond: (1000 * (count - 1)) / ms,
    };
  } finally {
    client.close();
  }
}

function runKernels({ request }: RunTask): Promise<RunResult> {
  const worker = new Worker('/worker.js', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<{ result: RunResult } | { error: string }>) =>
      'result' in data ? resolve(data.result) : reject(new Error(data.error)),
    );
    worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    worker.postMessage(request);
  });
}

const report = await perform();
await fetch(reportTo, { method: 'POST', body: JSON.stringify(report) });
document.title = 'done';
