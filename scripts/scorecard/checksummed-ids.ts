/**
 * P1: numbers with check digits in generated texts, among numbers that look like them: the same with one digit wrong, orders,
 * times, prices, versions, telephone numbers.
 */
import { createDetector } from '../../src/privacy/detector.ts';
import type { Finding } from '../../src/privacy/detection.ts';
import { type Gate, percent } from './gate.ts';
import { type IdForm, idForms } from './make-ids.ts';
import { pick, seeded } from './seeded.ts';

const SEED = 2026;
const TEXTS_OF_EACH = 40;
const RECALL = 0.995;
const PRECISION = 0.98;
const NEAR_MISSES = 2;

interface Planted {
  text: string;
  start: number;
  end: number;
}

const around: readonly ((random: () => number) => string)[] = [
  (random) =>
    `Order ${Math.floor(random() * 1e9)} was shipped on 2024-0${1 + Math.floor(random() * 9)}-15 at 14:35.`,
  (random) => `The total is ${(random() * 5000).toFixed(2)} EUR, version 10.${Math.floor(random() * 20)}.3.`,
  (random) => `Log: ts=17${Math.floor(random() * 1e8)} id=${Math.floor(random() * 1e10)} ok`,
  (random) => `Call (415) 555-0${100 + Math.floor(random() * 900)} before noon.`,
  (random) => `Tracking 1Z${Math.floor(random() * 1e9)} and invoice 2023/${Math.floor(random() * 1e5)}.`,
  () => 'See pages 120-135 of the 1998 edition, ISBN 978-3-16-148410-0.',
  (random) =>
    `About ${Math.floor(random() * 9e6)} people live there, 3.14159265358979 times more than before.`,
];

export const checksummedIds: Gate = {
  id: 'P1',
  what: 'Numbers with check digits: cards, IBANs, national numbers',
  target: `recall at least ${percent(RECALL)}, precision at least ${percent(PRECISION)}`,
  async measure() {
    const detector = await createDetector();
    const random = seeded(SEED);
    let [masked, byChecksum, planted, claims, right] = [0, 0, 0, 0, 0];
    const missedOf = new Map<string, number>();
    for (const form of idForms) {
      for (let round = 0; round < TEXTS_OF_EACH; round++) {
        const one = plant(form, random);
        const { findings } = await detector.detect(one.text);
        planted++;
        const covering = findings.filter(({ start, end }) => start <= one.start && end >= one.end);
        if (covering.length > 0) masked++;
        else missedOf.set(form.country, (missedOf.get(form.country) ?? 0) + 1);
        if (covering.some(({ source }) => source === 'checksum')) byChecksum++;
        const confirmed = findings.filter(({ source }) => source === 'checksum');
        claims += confirmed.length;
        right += confirmed.filter((finding) => overlaps(finding, one)).length;
      }
    }
    const [recall, precision] = [masked / planted, right / claims];
    const countries = new Set(
      idForms.filter(({ kind }) => kind === 'national-id').map(({ country }) => country),
    );
    return {
      value: `recall ${percent(recall, 2)}, precision ${percent(precision, 2)}`,
      met: recall >= RECALL && precision >= PRECISION,
      note: [
        `${planted} numbers of ${idForms.length} forms, national ones of ${countries.size} countries, in texts with ${NEAR_MISSES} of their kind with a wrong digit and other numbers around them.`,
        `Recall counts a number that is masked whole, by whatever; ${percent(byChecksum / planted)} are found by their check digits. The rest are numbers that chance would pass too often, written as a bare run of digits in a sentence that does not say what they are: they are masked as numbers.`,
        missedOf.size === 0
          ? ''
          : `Missed: ${Array.from(missedOf, ([country, count]) => `${country} ${count}`).join(', ')}.`,
      ]
        .filter((line) => line !== '')
        .join(' '),
    };
  },
};

function plant(form: IdForm, random: () => number): Planted {
  const id = form.make(random);
  const sentence = pick(random, form.sentences);
  const before = `${pick(random, around)(random)} `;
  const start = before.length + sentence.indexOf('#');
  const near = Array.from(
    { length: NEAR_MISSES },
    () => `Not ${wrong(form.make(random), random)}, that was a mistake.`,
  );
  return {
    text: [before + sentence.replace('#', () => id), ...near, pick(random, around)(random)].join(' '),
    start,
    end: start + id.length,
  };
}

/** One digit other than it was. */
function wrong(id: string, random: () => number): string {
  const places = [...id.matchAll(/\d/g)].map(({ index }) => index);
  const at = pick(random, places);
  return id.slice(0, at) + ((Number(id[at]) + 1 + Math.floor(random() * 9)) % 10) + id.slice(at + 1);
}

function overlaps({ start, end }: Finding, one: Planted): boolean {
  return start < one.end && end > one.start;
}
