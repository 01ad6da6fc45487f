import { describe, expect, it } from 'vitest';
import { exampleIds } from '../../test/privacy/national-ids.ts';
import { findNationalIds } from './detect-national-ids.ts';

describe('national numbers', () => {
  it.each(exampleIds)(
    'of $country are found as they are written: $written',
    ({ written, sentence, checked }) => {
      const text = sentence.replace('#', written);
      expect(findNationalIds(text)).toEqual([
        expect.objectContaining({
          start: text.indexOf(written),
          end: text.indexOf(written) + written.length,
          kind: 'national-id',
          source: checked ? 'checksum' : 'pattern',
        }),
      ]);
    },
  );

  it('cover at least twelve countries that have check digits', () => {
    expect(
      new Set(exampleIds.filter(({ checked }) => checked).map(({ country }) => country)).size,
    ).toBeGreaterThan(24);
  });

  it.each(exampleIds.filter(({ checked }) => checked))(
    'of $country with another last digit are hardly ever: $written',
    ({ written, sentence }) => {
      const found = otherEndings(written).filter((other) =>
        findNationalIds(sentence.replace('#', other)).some(({ source }) => source === 'checksum'),
      );
      // Some are numbers of another country, by chance.
      expect(found.length).toBeLessThanOrEqual(2);
    },
  );
});

/** With each other last digit. */
function otherEndings(written: string): string[] {
  return Array.from({ length: 9 }, (_, more) =>
    written.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1 + more) % 10)),
  );
}
