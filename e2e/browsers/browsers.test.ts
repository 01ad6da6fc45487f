/**
 * The library in browsers of other makers: it answers as it does in Chromium, keeps what it may, and does without what they
 * lack. Firefox has threads, relaxed SIMD and OPFS; WebKitGTK, the worst case, has none of them and still answers.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { someIds } from '../../test/kernels/feeding.ts';
import { mixedOutlierGguf } from '../../test/kernels/outlier-gguf.ts';
import { hasRealModel, realModelNote } from '../../test/models/real-model.ts';
import { tinyGguf } from '../../test/models/tiny-gguf.ts';
import type { RunResult } from '../fixtures/processors/run.ts';
import { chromiumLane, firefoxLane, webkitLane } from './lanes.ts';
import type { Lane } from './lanes.ts';
import type { ChatResult, ChatTask, Report } from './tasks.ts';
import { modelUrl, openSite } from './visits.ts';
import type { Site } from './visits.ts';

const chat = (options: ChatTask['options'] = {}): ChatTask => ({
  kind: 'chat',
  model: modelUrl,
  options,
  prompt: 'Counting: 1, 2, 3, 4, 5,',
  maxTokens: 32,
});

/** Of tiny random models: fused and unfused multiply-adds part only here. */
const NEAR_TIE = 0.05;
const tinyModels = {
  'blocks.gguf': mixedOutlierGguf(),
  'supers.gguf': tinyGguf({
    type: 'Q4_K',
    types: { embedding: 'Q6_K', value: 'Q6_K', down: 'Q5_0' },
    hidden: 256,
    heads: 4,
    kvHeads: 2,
    ffn: 256,
    contextLength: 512,
  }),
};

/** What they have: WebKitGTK neither shared memory nor OPFS nor relaxed SIMD. */
const HAS = {
  Firefox: { keptIn: 'opfs', threads: 2, best: 'relaxed' },
  WebKitGTK: { keptIn: 'indexeddb', threads: 1, best: 'plain' },
};

const chromium = chromiumLane();
const others = [
  ['Firefox', firefoxLane()],
  ['WebKitGTK', webkitLane()],
] as const;
let site: Site;
let expected: ChatResult;

beforeAll(async () => {
  site = await openSite();
  for (const [name, bytes] of Object.entries(tinyModels)) await site.add(name, bytes);
  if (chromium && hasRealModel)
    expected = chatOf(await site.visit(chromium, await site.newProfile(), chat({ threads: 1 })));
}, 300_000);
afterAll(() => site.close());

function resultOf(report: Report): ChatResult | RunResult {
  if ('error' in report) throw new Error(`${report.error.code}: ${report.error.message}`);
  return report.result;
}

function chatOf(report: Report): ChatResult {
  const result = resultOf(report);
  if (!('text' in result)) throw new Error('not the report of a chat');
  return result;
}

async function run(lane: Lane, file: string, simd: 'auto' | 'plain'): Promise<RunResult> {
  const options = { threads: 2, simd, kv: 'q8', contextLength: 512 } as const;
  const request = { url: `/${file}`, options, wideDot: true, prompt: someIds(100), count: 32 };
  const result = resultOf(await site.visit(lane, await site.newProfile(), { kind: 'run', request }));
  if (!('tokens' in result)) throw new Error('not the report of a run');
  return result;
}

describe.each(others)('%s', (name, lane) => {
  const isMissing = lane === undefined || chromium === undefined;
  const note = isMissing ? ': not installed' : '';

  test.skipIf(isMissing || !hasRealModel)(
    `chats on the CPU and remembers the model${note} (${realModelNote})`,
    async () => {
      const profile = await site.newProfile();
      const first = chatOf(await site.visit(lane!, profile, chat()));
      expect(first).toMatchObject({ text: expected.text, origin: 'network', isKept: true });
      await site.removeModel();
      try {
        const second = chatOf(await site.visit(lane!, profile, chat()));
        expect(second).toMatchObject({ text: expected.text, origin: HAS[name].keptIn, isKept: true });
      } finally {
        await site.restoreModel();
      }
    },
  );

  test.skipIf(isMissing || !hasRealModel)(`says the same with plain SIMD${note}`, async () => {
    const { text, simd } = chatOf(await site.visit(lane!, await site.newProfile(), chat({ simd: 'plain' })));
    expect([text, simd]).toEqual([expected.text, 'plain']);
  });

  test.skipIf(isMissing || !hasRealModel)(
    `answers on one thread where the page is not isolated${note}`,
    async () => {
      const report = await site.visit(lane!, await site.newProfile(), chat(), { isolated: false });
      expect(chatOf(report)).toMatchObject({ text: expected.text, threads: 1, isIsolated: false });
    },
  );

  test.skipIf(isMissing || !hasRealModel)(`says what it has not: WebGPU${note}`, async () => {
    const report = await site.visit(lane!, await site.newProfile(), chat({ device: 'webgpu' }));
    expect(report).toMatchObject({ error: { code: 'unsupported_device' } });
  });

  describe.each(Object.keys(tinyModels))('%s', (file) => {
    test.skipIf(isMissing)(`has the same bits in the plain twin as Chromium${note}`, async () => {
      const [theirs, ours] = [await run(lane!, file, 'plain'), await run(chromium!, file, 'plain')];
      expect(theirs).toMatchObject({ simd: 'plain', threads: HAS[name].threads });
      expect(theirs.hashes).toEqual(ours.hashes);
    });

    test.skipIf(isMissing)(`gives the same tokens in its best twin, but for near-ties${note}`, async () => {
      const [theirs, ours] = [await run(lane!, file, 'auto'), await run(chromium!, file, 'auto')];
      expect(theirs).toMatchObject({ simd: HAS[name].best, threads: HAS[name].threads });
      const parting = ours.tokens.findIndex((token, at) => token !== theirs.tokens[at]);
      const margin = parting < 0 ? 0 : Math.min(ours.margins[parting]!, theirs.margins[parting]!);
      expect(margin).toBeLessThan(NEAR_TIE);
      expect(theirs.tokens).toHaveLength(ours.tokens.length);
      // Where multiply-adds round alike, all bits are the same.
      expect(theirs.hashes[0] === ours.hashes[0]).toBe(theirs.isFused === ours.isFused);
    });
  });
});
