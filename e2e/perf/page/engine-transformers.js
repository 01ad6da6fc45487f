/**
 * transformers.js in a worker of its own, as its documentation recommends. One instance for each worker, because
 * the number of threads is fixed when the module is loaded.
 */

/** @param {{ model: string, threads: number, device?: string }} options */
export async function openTransformers(options) {
  const worker = new Worker(new URL('transformers-worker.js', import.meta.url), { type: 'module' });
  const ask = (message) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
      worker.onerror = (event) => reject(new Error(`the transformers.js worker failed: ${event.message}`));
      worker.postMessage(message);
    });
  await ask({ type: 'load', ...options });
  return {
    run: (options) => ask({ type: 'run', ...options }),
    info: () => ({}),
    close: async () => worker.terminate(),
  };
}
