/** P1: telephone numbers of many countries as libphonenumber's examples write them, and the share that is missed. */
import examples from 'libphonenumber-js/mobile/examples';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import { createDetector } from '../../src/privacy/detector.ts';
import { type Gate, percent } from './gate.ts';

const SENTENCES = [
  'Please call me on # today.',
  'I can be reached at #.',
  'Here it is: #, thanks.',
  '# is what she wrote on the card.',
];

export const phones: Gate = {
  id: 'P1',
  what: 'Telephone numbers: published miss rate',
  target: null,
  async measure() {
    const detector = await createDetector();
    const missed = { international: 0, national: 0 };
    let count = 0;
    for (const country of getCountries()) {
      const number = getExampleNumber(country, examples);
      if (number === undefined) continue;
      count++;
      const sentence = SENTENCES[count % SENTENCES.length]!;
      for (const [form, written] of [
        ['international', number.formatInternational()],
        ['national', number.formatNational()],
      ] as const) {
        const start = sentence.indexOf('#');
        const { findings } = await detector.detect(sentence.replace('#', written));
        const whole = findings.some(
          (one) =>
            one.start <= start + (written.startsWith('(') ? 1 : 0) && one.end >= start + written.length,
        );
        if (!whole) missed[form]++;
      }
    }
    return {
      value: `missed: ${percent(missed.international / count)} international, ${percent(missed.national / count)} national`,
      met: null,
      note: `A mobile number of each of ${count} countries and regions, as it is written abroad and at home, in sentences of which half announce a number.`,
    };
  },
};
