/**
 * GPT-2's alphabet: each byte has a printable letter, so that any bytes can be written as a string of letters.
 * Printable Latin-1 characters stand for themselves; the other bytes get the letters from U+0100 on, in order.
 */

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/** The letter of each byte. */
export const BYTE_LETTERS: readonly string[] = (() => {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : 0x100 + moved++),
  );
})();

const BYTES: ReadonlyMap<string, number> = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]));

const encoder = new TextEncoder();

/** The bytes that a string of letters stands for; what is no letter stands for its own UTF-8. */
export function bytesOfLetters(letters: string): Uint8Array {
  const bytes: number[] = [];
  for (const letter of letters) {
    const byte = BYTES.get(letter);
    if (byte === undefined) bytes.push(...encoder.encode(letter));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
