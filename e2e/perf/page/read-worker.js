/** One thread of read-bandwidth.js. The threads wait for one another in the first word of the memory. */
let read;
let words;
let share;

self.onmessage = async ({ data }) => {
  if (data.type === 'start') {
    const { module, memory, bytes, threads, index } = data;
    const instance = await WebAssembly.instantiate(module, { env: { memory } });
    read = (passes) => instance.exports.read(65536 + index * bytes, bytes, passes);
    words = new Int32Array(memory.buffer, 0, 1);
    share = threads;
    Atomics.store(words, 0, 0);
    return self.postMessage({});
  }
  const round = Math.floor(Atomics.add(words, 0, 1) / share);
  while (Atomics.load(words, 0) < (round + 1) * share);
  const start = performance.timeOrigin + performance.now();
  read(data.passes);
  self.postMessage({ start, end: performance.timeOrigin + performance.now() });
};
