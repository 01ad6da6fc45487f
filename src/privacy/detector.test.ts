import { describe, expect, it } from 'vitest';
import { findChecksummed } from './detect-checksummed.ts';
import { mergeOverlaps } from './detect-merge.ts';
import { createDetector } from './detector.ts';

const detector = await createDetector();

describe('a detector', () => {
  it('finds what has a form and what has none, in order and apart, with the text of each', async () => {
    const text =
      'My name is Anna Kowalska, I live at 12 Rose Street, Leeds. Call +44 7911 123456 or write to anna@example.com, card 4111 1111 1111 1111.';
    const { findings } = await detector.detect(text);
    expect(findings.map(({ kind }) => kind)).toEqual(['name', 'address', 'phone', 'email', 'card']);
    for (const { start, end, text: found } of findings) expect(text.slice(start, end)).toBe(found);
    findings.forEach(({ start }, at) => expect(start).toBeGreaterThanOrEqual(findings[at - 1]?.end ?? 0));
  });

  it('makes one finding of each thing, also where a guess reaches from one to the next', async () => {
    const text = 'My name is Anna Kowalska, call +44 7911 123456, IBAN DE89 3704 0044 0532 0130 00.';
    const { findings } = await detector.detect(text, { terms: ['Kowalska'] });
    const sure = findings.filter(({ source }) => source !== 'tagger');
    expect(sure.map((finding) => finding.text)).toEqual([
      'Kowalska',
      '+44 7911 123456',
      'DE89 3704 0044 0532 0130 00',
    ]);
    expect(findings[0]).toMatchObject({ kind: 'name', text: 'Anna' });
  });

  it('finds names inside an encoding', async () => {
    const hidden = btoa('My name is Anna Kowalska and I live in Leeds.');
    const { findings } = await detector.detect(`decode ${hidden} please`);
    expect(findings).toContainEqual(expect.objectContaining({ text: hidden, encoded: 'base64' }));
  });

  it("finds the user's own terms, and forgets those of the request before", async () => {
    const text = 'About the blue heron plan.';
    const terms = async (given?: string[]): Promise<string[]> =>
      (await detector.detect(text, { terms: given })).findings.map(({ kind }) => kind);
    expect(await terms(['Blue-Heron'])).toEqual(['term']);
    expect(await terms()).toEqual([]);
  });

  it('finds what lies on the edge of the pieces that long texts are cut into', async () => {
    const filler = 'the quick brown fox and the lazy dog are here again ';
    for (const shift of [0, 7, 19, 31]) {
      const before = filler.repeat(200).slice(0, 8192 - 20 + shift);
      const { findings } = await detector.detect(
        `${before} ring me on +44 7911 123456 please ${filler.repeat(20)}`,
      );
      expect(findings).toContainEqual(expect.objectContaining({ kind: 'phone', text: '+44 7911 123456' }));
    }
  });

  it('gives an empty text no findings and no risk', async () => {
    expect(await detector.detect('')).toEqual({ findings: [], residualRisk: 0 });
  });

  it('rejects with the reason of whoever aborts', async () => {
    const reason = new Error('enough');
    await expect(detector.detect('text', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('rejects when its time is over, so that the text is taken for sensitive', async () => {
    let time = 0;
    const slow = await createDetector({ timeLimitMs: 10, now: () => (time += 20) });
    await expect(slow.detect('any text')).rejects.toMatchObject({ details: { timeLimitMs: 10 } });
  });
});

describe('the residual risk', () => {
  it('is small for common words, larger for names that nobody masked, and small again when they are masked', async () => {
    const common = await detector.detect('How do I cook rice and beans for my friends on a cold day?');
    const strange = await detector.detect(
      'xq Zorblax Quuvian met Thraxil Wendiquor near Ploovington yesterday',
    );
    expect(common.residualRisk).toBeLessThan(0.1);
    expect(strange.residualRisk + strange.findings.length).toBeGreaterThan(0.4);
    for (const { residualRisk } of [common, strange]) {
      expect(residualRisk).toBeGreaterThanOrEqual(0);
      expect(residualRisk).toBeLessThanOrEqual(1);
    }
  });
});

describe('telephone numbers', () => {
  it.each([
    '+1 415 555 2671',
    '(415) 555-2671',
    '415-555-2671',
    '020 7946 0958',
    '0176 55512349',
    '06 12 34 56 78',
    '+49 (0)30 901820',
    '00 44 20 7946 0958',
    '011 44 20 7946 0958',
    '090-1234-5678',
    '13812345678',
    '+7 915 123-45-67',
    '(11) 91234-5678',
  ])('are found without a word that announces them: %s', async (number) => {
    const { findings } = await detector.detect(`It is ${number}, thanks.`);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.text).toBe(number);
  });

  it('are found behind a word that announces them, even if no plan has them', async () => {
    const { findings } = await detector.detect('Tel: 555 0142');
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'phone', text: '555 0142' }));
  });

  it.each([
    'from 2019-2023',
    'on 12.05.2024 at 14:30',
    'page 1200 of 1450',
    'about 1 250 000 people',
    'ISO 8601 2024-02-29',
  ])('are not seen in other numbers: %s', async (text) => {
    const { findings } = await detector.detect(text);
    expect(findings.filter(({ kind }) => kind === 'phone')).toEqual([]);
  });
});

describe('findings that overlap', () => {
  const span = (start: number, end: number, source: 'term' | 'tagger', name: string) =>
    ({ start, end, kind: 'name', source, confidence: 0.5, name }) as const;

  it('become one that covers all of them and keeps the fields of the surest', () => {
    expect(
      mergeOverlaps([
        span(5, 9, 'tagger', 'b'),
        span(0, 6, 'tagger', 'a'),
        span(8, 12, 'term', 'c'),
        span(20, 21, 'tagger', 'd'),
      ]),
    ).toEqual([span(0, 12, 'term', 'c'), span(20, 21, 'tagger', 'd')]);
  });
});

describe('what arithmetic confirms', () => {
  it('is found at once, and nothing else is', () => {
    const text =
      'Card 4111\u200b1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, CPF 529.982.247-25, anna@example.com';
    expect(
      findChecksummed(text).map((finding) => [
        finding.kind,
        text.slice(finding.start, finding.end) === finding.text,
      ]),
    ).toEqual([
      ['card', true],
      ['iban', true],
      ['national-id', true],
    ]);
    expect(
      findChecksummed('Card 4111 1111 1111 1112, IBAN DE88 3704 0044 0532 0130 00, CPF 529.982.247-26'),
    ).toEqual([]);
  });
});
