/**
 * How text is cut into words before byte pairs are merged: `tokenizer.ggml.pre` in the file, one expression each.
 * They equal what llama.cpp does for that name, where a first expression cuts out single digits and a second one
 * cuts what lies between: `\s` is Unicode's White_Space, and trailing white space ends at a digit.
 *
 * Letters and numbers are those of the JavaScript engine's version of Unicode; scripts added since another reader's
 * tables were made are cut differently there.
 */
import { SelvedgeError } from '../errors.ts';

const CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";
const SPACE = '\\p{White_Space}';

const EXPRESSIONS: Readonly<Record<string, string>> = {
  'gpt-2': `${CONTRACTIONS}| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  smollm: `${CONTRACTIONS}| ?\\p{L}+|\\p{N}| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?![^${SPACE}\\p{N}])|${SPACE}+`,
};

/** A function that cuts text into words; together they are the text. */
export function createPreTokenizer(name: string | undefined): (text: string) => string[] {
  // Own properties only: a damaged file may name one that every object has.
  const expression = Object.hasOwn(EXPRESSIONS, name ?? '') ? EXPRESSIONS[name ?? ''] : undefined;
  if (expression === undefined) {
    throw new SelvedgeError(
      'unsupported_model',
      `The file's pre-tokenizer (tokenizer.ggml.pre) is ${name ?? 'not stated'}; ` +
        `supported: ${Object.keys(EXPRESSIONS).join(', ')}.`,
    );
  }
  const words = new RegExp(expression, 'gu');
  return (text) => text.match(words) ?? [];
}
