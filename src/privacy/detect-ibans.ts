/** International bank account numbers: the length of each country (registry of ISO 13616) and MOD 97-10. */
import type { Span } from './detection.ts';
import { mod97 } from './detect-checksums.ts';

const LENGTHS = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
    'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 ' +
    'LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 ' +
    'RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((row) => [row.slice(0, 2), Number(row.slice(2))] as const),
);
const BEGINNING = /(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?[0-9]{2}(?=[ .\-_]?[A-Za-z0-9])/g;
const ALPHANUMERIC = /[A-Za-z0-9]/;
const SEPARATOR = /[ .\-_\t\n]/;

export function findIbans(text: string): Span[] {
  const spans: Span[] = [];
  for (const { index } of text.matchAll(BEGINNING)) {
    const length = LENGTHS.get(text.slice(index, index + 2).toUpperCase());
    const end = length === undefined ? null : endAfter(text, index, length);
    if (end === null) continue;
    const compact = text.slice(index, end).replaceAll(/[^A-Za-z0-9]/g, '');
    if (mod97(compact.toUpperCase())) {
      spans.push({ start: index, end, kind: 'iban', source: 'checksum', confidence: 0.99 });
    }
  }
  return spans;
}

/** Behind the `count`-th letter or digit from `start`, none of which may be parted by more than one separator. */
function endAfter(text: string, start: number, count: number): number | null {
  let at = start;
  for (let seen = 0; ; at++) {
    const character = text[at] ?? '';
    if (ALPHANUMERIC.test(character)) seen++;
    else if (!SEPARATOR.test(character) || !ALPHANUMERIC.test(text[at + 1] ?? '')) return null;
    if (seen === count) break;
  }
  return ALPHANUMERIC.test(text[at + 1] ?? '') ? null : at + 1;
}
