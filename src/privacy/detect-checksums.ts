/** The check digits of identity numbers. Digits come as strings of ASCII digits, without separators. */

export function digitsOf(text: string): number[] {
  return Array.from(text, Number);
}

/** Luhn (ISO/IEC 7812): every second digit from the right is doubled. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** The remainder of a long decimal number. */
export function remainder(digits: string, divisor: number): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor;
  return rest;
}

/** Sum of digit times weight. */
export function weighted(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, at) => sum + weight * Number(digits[at]), 0);
}

/** ISO 7064, MOD 97-10: IBANs; letters count as 10 to 35. */
export function mod97(text: string): boolean {
  const digits = Array.from(text.slice(4) + text.slice(0, 4), (letter) => String(parseInt(letter, 36))).join(
    '',
  );
  return remainder(digits, 97) === 1;
}

/** ISO 7064, MOD 11,10: German and Croatian tax numbers. */
export function mod11x10(digits: string): boolean {
  let product = 10;
  for (const digit of digits.slice(0, -1)) {
    const sum = (Number(digit) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits.at(-1));
}

const VERHOEFF_PRODUCT = [
  '0123456789',
  '1234067895',
  '2340178956',
  '3401289567',
  '4012395678',
  '5987604321',
  '6598710432',
  '7659821043',
  '8765932104',
  '9876543210',
];
const VERHOEFF_PERMUTATION = [
  '0123456789',
  '1576283094',
  '5803796142',
  '8916043527',
  '9453126870',
  '4286573901',
  '2793806415',
  '7046913258',
];

/** Verhoeff's dihedral check digit: India's Aadhaar. */
export function verhoeff(digits: string): boolean {
  let check = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const permuted = Number(VERHOEFF_PERMUTATION[at % 8]?.[digit]);
    check = Number(VERHOEFF_PRODUCT[check]?.[permuted]);
  }
  return check === 0;
}

/** Whether month and day can be. `year` of four digits, where it is known. */
export function isDate(month: number, day: number, year = 2000): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** The remainder by eleven as a check digit, ten being zero. */
export function eleventh(digits: string, weights: readonly number[]): number {
  return (weighted(digits, weights) % 11) % 10;
}

/** What is missing to eleven as a check digit, ten and eleven being zero: Brazil, Portugal, Japan. */
export function toEleven(digits: string, weights: readonly number[]): number {
  const rest = weighted(digits, weights) % 11;
  return rest < 2 ? 0 : 11 - rest;
}

/** The digits from `start` to `end` as a number. */
export function part(text: string, start: number, end: number): number {
  return Number(text.slice(start, end));
}
