/**
 * Runs transformers.js on onnxruntime's WebAssembly, or WebGPU. It reports no timings, so tokens are stamped as its streamer
 * gets them: the first put is the prompt, the second the first token.
 */
let tokenizer;
let model;

async function load({ model: name, threads, device = 'wasm' }) {
  const { AutoModelForCausalLM, AutoTokenizer, env } =
    await import('/peers/transformers/transformers.min.js');
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.useBrowserCache = false;
  env.localModelPath = '/files/';
  env.backends.onnx.wasm.wasmPaths = '/peers/onnxruntime/';
  env.backends.onnx.wasm.numThreads = threads;
  tokenizer = await AutoTokenizer.from_pretrained(name, { local_files_only: true });
  model = await AutoModelForCausalLM.from_pretrained(name, {
    local_files_only: true,
    device,
    dtype: 'q8',
  });
}

async function run({ prompt, tokens }) {
  const inputs = tokenizer(prompt);
  const stamps = [];
  const streamer = { put: () => stamps.push(performance.now()), end() {} };
  const start = performance.now();
  await model.generate({
    ...inputs,
    max_new_tokens: tokens,
    min_new_tokens: tokens,
    do_sample: false,
    streamer,
  });
  return {
    promptTokens: inputs.input_ids.dims[1],
    promptMs: stamps[1] - start,
    decodeTokens: stamps.length - 2,
    decodeMs: stamps.at(-1) - stamps[1],
  };
}

self.onmessage = async ({ data }) => {
  try {
    const result = data.type === 'load' ? await load(data) : await run(data);
    self.postMessage({ result });
  } catch (error) {
    self.postMessage({ error: String(error.stack ?? error) });
  }
};
