/** Ways of writing the same so that a search for it as it is finds nothing. */

const LOOKALIKES: Record<string, string> = {
  a: 'а',
  e: 'е',
  o: 'о',
  p: 'р',
  c: 'с',
  x: 'х',
  A: 'А',
  B: 'В',
  E: 'Е',
  M: 'М',
};

const bytesOf = (text: string): number[] => Array.from(new TextEncoder().encode(text));
const hexOf = (byte: number): string => byte.toString(16).padStart(2, '0');

export const base64Of = (text: string): string => btoa(String.fromCharCode(...bytesOf(text)));

export const disguises: Record<string, (text: string) => string> = {
  plain: (text) => text,
  'zero-width spaces': (text) => Array.from(text).join('\u200b'),
  'soft hyphens': (text) => Array.from(text).join('\u00ad'),
  'direction marks': (text) => Array.from(text).join('\u202d\u202c'),
  'tag characters': (text) =>
    Array.from(text, (letter) => String.fromCodePoint(0xe0000 + (letter.codePointAt(0) ?? 0))).join(''),
  'full width': (text) =>
    text.replaceAll(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
  'mathematical digits': (text) =>
    text.replaceAll(/\d/g, (digit) => String.fromCodePoint(0x1d7d8 + Number(digit))),
  'Arabic digits': (text) => text.replaceAll(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit))),
  lookalikes: (text) => Array.from(text, (letter) => LOOKALIKES[letter] ?? letter).join(''),
  base64: base64Of,
  'base64 for addresses': (text) =>
    base64Of(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
  'base64 twice': (text) => base64Of(base64Of(text)),
  hexadecimal: (text) => bytesOf(text).map(hexOf).join(''),
  'hexadecimal with spaces': (text) => bytesOf(text).map(hexOf).join(' '),
  'hexadecimal escapes': (text) =>
    bytesOf(text)
      .map((byte) => `\\x${hexOf(byte)}`)
      .join(''),
  'percent encoding': (text) =>
    bytesOf(text)
      .map((byte) => `%${hexOf(byte)}`)
      .join(''),
  'percent encoding where needed': (text) => encodeURIComponent(text).replaceAll('.', '%2E'),
  reversed: (text) => Array.from(text).toReversed().join(''),
};
