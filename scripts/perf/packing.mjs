/** How long one thread packs: seconds for each gigabyte of a file. */
import { pageOptions } from './lab.mjs';
import { median } from './paired-ratio.mjs';
import { openWorker } from './worker.mjs';

/** (lab, address, threads, work, model) -> the row's numbers, as in singles.mjs. */
export const packingMetrics = {
  async packing(lab, address, threads, work, model) {
    const packer = await openWorker(lab, '/packing.js');
    try {
      const { url } = pageOptions(address, { engine: 'selvedge', model, threads });
      const figures = await packer.ask({ url, rounds: work.pairs });
      return { value: median(figures), unit: 's per GB', ratio: null, low: null, high: null };
    } finally {
      await packer.close();
    }
  },
};
