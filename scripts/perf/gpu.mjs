/**
 * `npm run perf -- --gpu`: the model on this machine's GPU, by itself and beside the peers on the same GPU. Without a GPU the
 * browser's software takes its place: that shows that the measurement works, and its speed means nothing.
 */
import { compare } from './compare.mjs';
import { openLab, pageOptions } from './lab.mjs';
import { openWorker } from './worker.mjs';

const ours = { engine: 'selvedge', model: 'q4_1', threads: 1, device: 'webgpu' };
const peers = [
  { engine: 'wllama', model: 'q4_1', threads: 1, device: 'webgpu' },
  { engine: 'transformers', model: 'onnx-q8', threads: 1, device: 'webgpu' },
];
/** Where there is only software. */
const LITTLE = { pairs: 1, decodeTokens: 4 };

/** `keep(metric, measure)` takes what `measure` makes, rows or an error. Returns what is to be known of the machine. */
export async function measureGpu(address, work, keep) {
  const lab = (await openWithGpu(address, 'gpu')) ?? (await openWithGpu(address, 'software-gpu'));
  if (!lab) throw new Error('Chromium offers no WebGPU adapter, not even one in software.');
  try {
    const isSoftware = lab.adapter.isSoftware;
    const runs = isSoftware ? 2 : 20;
    let report;
    await keep('gpu-step', async () => {
      const worker = await openWorker(lab, '/gpu.js');
      try {
        report = await worker.ask({ url: pageOptions(address, ours).url, runs });
      } finally {
        await worker.close();
      }
      return rowsOf(report);
    });
    for (const theirs of peers) {
      const comparison = { metric: 'gpu-decode', what: 'decode', ours, theirs };
      await keep('gpu-decode', () => compare(lab, comparison, isSoftware ? { ...work, ...LITTLE } : work));
    }
    return { browser: lab.version, gpu: { ...lab.adapter, ...report } };
  } finally {
    await lab.close();
  }
}

/** The lab with its adapter, or undefined where it has none. */
async function openWithGpu(address, browser) {
  const lab = await openLab(address, browser);
  const { adapter } = await lab.page.evaluate(async () => {
    const { capabilities } = await import('/selvedge/lib/index.js');
    return capabilities();
  });
  if (adapter) return { ...lab, adapter };
  await lab.close();
  return undefined;
}

function rowsOf({ weightBytes, stepMs, perStep, copyBytesPerSecond }) {
  const row = (metric, value, unit) => ({ metric, ...ours, value, unit, ratio: null, low: null, high: null });
  const rate = 1000 / stepMs[1];
  return [
    row('gpu-step', rate, 'tok/s'),
    ...Object.entries(stepMs).map(([rows, ms]) => row(`gpu-rows-${rows}`, ms / stepMs[1], 'of one row')),
    row('gpu-bandwidth', (weightBytes * rate) / copyBytesPerSecond, 'of copying'),
    row('gpu-dispatches', perStep.dispatches, 'per step'),
    row('gpu-maps', perStep.maps, 'per step'),
  ];
}
