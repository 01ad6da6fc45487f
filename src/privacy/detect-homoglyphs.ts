/**
 * Letters of other alphabets that look like Latin ones, of the basic plane, so that one unit takes the place of one unit.
 * NFKC has already folded full-width, circled and mathematical letters. After Unicode's confusables (UTS 39), reduced to
 * what is taken for a Latin letter or a digit at a glance.
 */

const LOOKALIKES: Record<string, string> = {
  A: 'АΑᎪᗅꓮ',
  B: 'ВΒᏴᗷꓐ',
  C: 'СϹᏟꓚⅭ',
  D: 'ᎠᗞꓓⅮ',
  E: 'ЕΕᎬꓰ',
  F: 'Ϝᖴꓝ',
  G: 'ԌᏀꓖ',
  H: 'НΗᎻᕼꓧ',
  I: 'ІΙӀꓲ',
  J: 'ЈᎫᒍꓙͿ',
  K: 'КΚᏦꓗ',
  L: 'ᏞᒪꓡⅬ',
  M: 'МΜᎷᗰꓟⅯ',
  N: 'Νꓠ',
  O: 'ОΟՕꓳ',
  P: 'РΡᏢᑭꓑ',
  Q: 'ԚႳ',
  R: 'ᎡᏒᖇꓣ',
  S: 'ЅՏᏚꓢ',
  T: 'ТΤᎢꓔ',
  U: 'Սᑌꓴ',
  V: 'ѴᏙᐯꓦ',
  W: 'ԜᎳꓪ',
  X: 'ХΧꓫⅩ',
  Y: 'УΥҮꓬ',
  Z: 'ΖᏃꓜ',
  a: 'аɑα',
  b: 'Ьɓ',
  c: 'сϲᴄⅽ',
  d: 'ԁɗⅾ',
  e: 'еҽ℮',
  f: 'ſϝ',
  g: 'ɡց',
  h: 'һհ',
  i: 'іıɩι',
  j: 'јϳ',
  k: 'κк',
  l: 'ӏⅼǀ',
  m: 'мⅿ',
  n: 'ոռη',
  o: 'оοօσᴏ',
  p: 'рρ',
  q: 'ԛգ',
  r: 'гᴦ',
  s: 'ѕꜱ',
  t: 'тτᴛ',
  u: 'υսᴜ',
  v: 'νѵᴠ',
  w: 'ѡԝաᴡ',
  x: 'хχ',
  y: 'уγүყ',
  z: 'ᴢ',
};

const letters = new Map(
  Object.entries(LOOKALIKES).flatMap(([latin, others]) =>
    [...others].map((other) => [other, latin] as const),
  ),
);

/** The Latin letter that `letter` looks like, or itself. */
export function latinLookalike(letter: string): string {
  return letters.get(letter) ?? letter;
}
