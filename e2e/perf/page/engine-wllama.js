/**
 * wllama on a GGUF file in memory. Its timings are llama.cpp's own: predicted_ms begins with the first token, so
 * the messages to the page are not in it.
 */
const wasm = { default: '/peers/wllama/wasm/wllama.wasm' };
const files = new Map();

/** @param {{ url: string, threads: number, blob?: Blob, device?: string }} options all layers on a GPU, or none */
export async function openWllama({ url, threads, blob, device }) {
  const { Wllama, LoggerWithoutDebug } = await import('/peers/wllama/index.js');
  if (!blob && !files.has(url)) files.set(url, await (await fetch(url)).blob());
  const wllama = new Wllama(wasm, { suppressNativeLog: true, logger: LoggerWithoutDebug });
  const layers = device === 'webgpu' ? 999 : 0;
  const options = { n_threads: threads, n_ctx: 2048, n_gpu_layers: layers };
  await wllama.loadModel([blob ?? files.get(url)], options);
  return {
    async run({ prompt, tokens }) {
      const { timings } = await wllama.createCompletion({ prompt, max_tokens: tokens, temperature: 0 });
      return {
        promptTokens: timings.prompt_n,
        promptMs: timings.prompt_ms,
        decodeTokens: timings.predicted_n - 1,
        decodeMs: timings.predicted_ms,
      };
    },
    info: () => wllama.getLoadedContextInfo(),
    close: () => wllama.exit(),
  };
}
