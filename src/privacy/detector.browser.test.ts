/** The detector with its lazy modules in a real browser: the same findings as in Node, whose regular expressions are V8's too. */
import { expect, it } from 'vitest';
import { createDetector } from './detector.ts';

it('loads its metadata and weights and finds what is personal', async () => {
  const detector = await createDetector();
  const text = 'My name is Anna Kowalska, call +44 7911 123456, IBAN DE89 3704 0044 0532 0130 00.';
  const { findings, residualRisk } = await detector.detect(text, { terms: ['Kowalska'] });
  expect(findings.filter(({ source }) => source !== 'tagger').map(({ kind }) => kind)).toEqual([
    'term',
    'phone',
    'iban',
  ]);
  expect(findings).toContainEqual(expect.objectContaining({ kind: 'name', text: 'Anna' }));
  expect(residualRisk).toBeLessThan(0.2);
});
