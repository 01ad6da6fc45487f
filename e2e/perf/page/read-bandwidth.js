/**
 * How fast WebAssembly reads memory it does not write: the bound on a decode that reads every weight once. Each
 * thread reads its share of a block as large as the weights, several times, in the kernels' way (16-byte loads
 * in order, several sums).
 */

/** Bytes per second of `threads` workers reading `byteLength` bytes `passes` times. */
export async function readBandwidth({ byteLength, threads, passes }) {
  const pages = Math.ceil(byteLength / threads / 65536);
  const module = await WebAssembly.compileStreaming(fetch('read.wasm'));
  const memory = new WebAssembly.Memory({ initial: pages * threads + 1, maximum: 65536, shared: true });
  new Uint8Array(memory.buffer).fill(1);
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('read-worker.js', import.meta.url)),
  );
  const all = (message) => Promise.all(workers.map((worker, index) => ask(worker, { ...message, index })));
  await all({ type: 'start', module, memory, bytes: pages * 65536, threads });
  await all({ type: 'read', passes: 2 });
  const spans = await all({ type: 'read', passes });
  workers.forEach((worker) => worker.terminate());
  const elapsed = Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ start }) => start));
  return (pages * 65536 * threads * passes) / (elapsed / 1000);
}

function ask(worker, message) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(message);
  });
}
