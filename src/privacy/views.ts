/**
 * All that can be read out of a text without a key: itself, itself backwards, and what it says in base64, hex, percent
 * encoding, JSON's and HTML's escapes, two layers deep. Encodings are looked for at every alignment and across spaces
 * and punctuation, so that a piece of an encoded text, or one in several lines or messages, is read too.
 *
 * Reading too much costs nothing but time: what comes out is only searched for what must not leave.
 */

/** Of base64 and hex that are opened. */
const LAYERS = 2;
/** Characters in a row that can be shown: fewer are chance. */
const SHORTEST_RUN = 6;
/** Escapes within escapes. */
const UNESCAPE_ROUNDS = 3;

export interface View {
  text: string;
  /** It came out of base64 or hex, and may be chance. */
  isDecoded: boolean;
  isBackwards: boolean;
}

export function viewsOf(text: string): View[] {
  const views: View[] = [];
  addViews(text, 0, views);
  return views;
}

function addViews(text: string, layer: number, views: View[]): void {
  const plain = unescapeText(text);
  // Some capitals of these look like other Latin letters than their small ones do.
  if (HAS_LOOKALIKES.test(plain)) {
    views.push({ text: plain.toLowerCase(), isDecoded: layer > 0, isBackwards: false });
  }
  for (const isBackwards of [false, true]) {
    const view = isBackwards ? backwards(plain) : plain;
    views.push({ text: view, isDecoded: layer > 0, isBackwards });
    if (layer === LAYERS) continue;
    for (const decoded of [decodeBase64(view), decodeHex(view)]) {
      if (decoded !== '') addViews(decoded, layer + 1, views);
    }
  }
}

const HAS_LOOKALIKES = /[\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Armenian}]/u;

function backwards(text: string): string {
  return [...text].reverse().join('');
}

const ESCAPE =
  /(?:%[0-9a-f]{2})+|\\u\{?([0-9a-f]{4,6})\}?|\\x([0-9a-f]{2})|&#(\d{1,7});|&#x([0-9a-f]{1,6});/gi;

function unescapeText(text: string): string {
  let plain = text;
  for (let round = 0; round < UNESCAPE_ROUNDS; round++) {
    const next = plain.replace(
      ESCAPE,
      (all: string, unicode?: string, byte?: string, decimal?: string, hex?: string) => {
        if (all.startsWith('%')) return utf8.decode(bytesOfHex(all.replaceAll('%', '')));
        const digits = unicode ?? byte ?? hex;
        const code = digits === undefined ? Number(decimal) : Number.parseInt(digits, 16);
        return code <= 0x10ffff ? String.fromCodePoint(code) : all;
      },
    );
    if (next === plain) break;
    plain = next;
  }
  return plain;
}

const utf8 = new TextDecoder();
const HIDDEN = /(?:(?![\t\n\r])[\p{Cc}\ufffd])+/u;

const BASE64_VALUES = (() => {
  const values = new Int8Array(128).fill(-1);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  values['-'.charCodeAt(0)] = 62;
  values['_'.charCodeAt(0)] = 63;
  return values;
})();

/** What the text says in base64 or base64url, from each of the four places at which a group may begin. */
function decodeBase64(text: string): string {
  const sextets = valuesOf(text, BASE64_VALUES);
  let found = '';
  for (let shift = 0; shift < 4; shift++) {
    const bytes = new Uint8Array(Math.max(0, Math.floor(((sextets.length - shift) * 3) / 4)));
    for (let at = 0; at < bytes.length; at++) {
      const bit = at * 8;
      const first = shift + Math.floor(bit / 6);
      const pair = (sextets[first]! << 6) | (sextets[first + 1] ?? 0);
      bytes[at] = (pair >> (4 - (bit % 6))) & 0xff;
    }
    found += shownRuns(bytes);
  }
  return found;
}

const HEX_VALUES = (() => {
  const values = new Int8Array(128).fill(-1);
  for (let i = 0; i < 16; i++) {
    const digit = i.toString(16);
    values[digit.charCodeAt(0)] = values[digit.toUpperCase().charCodeAt(0)] = i;
  }
  return values;
})();

/** What the text says in hex digits, from both places at which a byte may begin. */
function decodeHex(text: string): string {
  const digits = valuesOf(text.replace(/0x/gi, ''), HEX_VALUES);
  let found = '';
  for (let shift = 0; shift < 2; shift++) {
    const bytes = new Uint8Array(Math.max(0, (digits.length - shift) >> 1));
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = (digits[shift + 2 * at]! << 4) | digits[shift + 2 * at + 1]!;
    }
    found += shownRuns(bytes);
  }
  return found;
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length >> 1 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/** The values of the characters that have one; others are passed over. */
function valuesOf(text: string, values: Int8Array): Uint8Array {
  const found = new Uint8Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const value = values[text.charCodeAt(i)] ?? -1;
    if (value >= 0) found[count++] = value;
  }
  return found.subarray(0, count);
}

/** Text within bytes that are mostly chance, one run a line. Without the zeros between the letters of UTF-16. */
function shownRuns(bytes: Uint8Array): string {
  return utf8
    .decode(bytes)
    .replaceAll('\0', '')
    .split(HIDDEN)
    .filter(({ length }) => length >= SHORTEST_RUN)
    .map((run) => `${run}\n`)
    .join('');
}
