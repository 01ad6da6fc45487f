/** Every gate of the scorecard, in the order of their ids. */
import { checksummedIds } from './checksummed-ids.ts';
import { cloudFaults } from './cloud-faults.ts';
import type { Gate } from './gate.ts';
import { phones } from './phones.ts';
import { interference, promise } from './promise.ts';
import { names, prompts } from './prompts.ts';
import { restoring } from './restoring.ts';
import { decisionTime, replayed, routingDownload } from './router.ts';

export const gates: readonly Gate[] = [
  checksummedIds,
  phones,
  names,
  prompts,
  restoring,
  promise,
  interference,
  decisionTime,
  routingDownload,
  replayed,
  cloudFaults,
];
