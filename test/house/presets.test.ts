/** The presets that say they are tested are the files that the tests have. */
import { expect, test } from 'vitest';
import { realModels } from '../../scripts/lib/model.mjs';
import { modelPresets } from '../../src/client/presets.ts';

test('every tested preset is one of the real files, byte for byte', () => {
  const tested = modelPresets.filter(({ isTested }) => isTested);
  expect(tested.map(({ id, url, byteLength, sha256 }) => [id, { url, byteLength, sha256 }])).toEqual(
    expect.arrayContaining(
      Object.entries(realModels).map(([id, { url, byteLength, sha256 }]) => [
        id,
        { url, byteLength, sha256 },
      ]),
    ),
  );
  expect(tested).toHaveLength(Object.keys(realModels).length);
});
