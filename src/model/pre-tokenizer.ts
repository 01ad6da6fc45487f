/**
 * How text is cut into words before byte pairs are merged: `tokenizer.ggml.pre` in the file. A name means what
 * it means in llama.cpp: one expression after the other cuts what the earlier ones left, and what lies between two
 * matches is a word too. `\s` is Unicode's White_Space.
 *
 * Letters and numbers are those of the JavaScript engine's version of Unicode; scripts added since another reader's
 * tables were made are cut differently there.
 */
import { SelvedgeError } from '../errors.ts';

const { raw } = String;

const CONTRACTIONS = raw`'s|'t|'re|'ve|'m|'ll|'d`;
const ANY_CASE = raw`'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]`;
const GPT_2 = raw`${CONTRACTIONS}| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const SPACES = raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const PREFIX = raw`[^\r\n\p{L}\p{N}]?`;
/** Contractions and words, numbers of so many digits, signs, space. */
const modern = (digits: string): string =>
  raw`${ANY_CASE}|${PREFIX}\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|${SPACES}`;
/** A word ends before a capital; only ASCII has capitals here, as llama.cpp has it. */
const UPPER = raw`(?:(?![a-z])\p{L})`;
const LOWER = raw`(?:(?![A-Z])\p{L})`;
const cased = (ending: string, digits: string): string =>
  raw`${PREFIX}${UPPER}*${LOWER}+${ending}|${PREFIX}${UPPER}+${LOWER}*${ending}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${SPACES}`;

/** What DeepSeek takes for letters that have a case, and for signs. */
const CASED_LETTERS = [
  raw`A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af`,
  raw`\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1`,
  raw`\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd`,
  raw`\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d`,
  raw`\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4`,
  raw`\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec`,
  raw`\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128`,
  raw`\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b`,
  raw`\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787`,
  raw`\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a`,
  raw`\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}`,
  raw`\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}`,
].join('');
const SIGNS = raw`!-\/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001\u3002`;
const EAST_ASIAN = raw`(?:(?!\s)[\u0800-\u9fa5\uac00-\ud7ff])+`;
/** Without looking back, each space of a long run would try all those after it. */
const SPACE_AT_END = raw`(?<!\s)\s+$`;

interface Kind {
  expressions: readonly string[];
  names: readonly string[];
  /** A word that is a token becomes it, whether or not merges lead there. */
  ignoresMerges?: true;
  /** Where the file does not say whether a begin token goes before a prompt. */
  addsBos?: true;
}

const KINDS: readonly Kind[] = [
  {
    names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'exaone4', 'mellum'],
    expressions: [GPT_2],
  },
  {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b'],
    expressions: [raw`\p{N}`, GPT_2],
  },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
    expressions: [modern(raw`\p{N}{1,3}`)],
    ignoresMerges: true,
    addsBos: true,
  },
  { names: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], expressions: [modern(raw`\p{N}{1,3}`)] },
  {
    names: ['qwen2', 'deepseek-r1-qwen', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2'],
    expressions: [modern(raw`\p{N}`)],
  },
  { names: ['gpt-4o', 'llama4', 'kanana2'], expressions: [cased(`(?:${ANY_CASE})?`, raw`\p{N}{1,3}`)] },
  { names: ['tekken'], expressions: [cased('', raw`\p{N}`)], ignoresMerges: true, addsBos: true },
  {
    names: ['deepseek-llm'],
    expressions: [
      raw`[\r\n]`,
      raw`\s?[${CASED_LETTERS}]+`,
      raw`\s?[${SIGNS}]+`,
      SPACE_AT_END,
      EAST_ASIAN,
      raw`\p{N}+`,
    ],
  },
  {
    names: ['deepseek-coder'],
    expressions: [raw`[\r\n]`, raw`\s?\p{L}+`, raw`\s?\p{P}+`, EAST_ASIAN, raw`\p{N}`],
  },
  {
    names: ['deepseek-v3', 'hunyuan-dense'],
    expressions: [
      raw`\p{N}{1,3}`,
      raw`[\u4e00-\u9fa5\u3040-\u30ff]+`,
      raw`[!-\/:-@\[-\x60{-~][A-Za-z]+|(?:~|[^\r\n\p{L}\p{P}\p{S}])?[\p{L}\p{M}]+| ?(?:(?!~)[\p{P}\p{S}])+[\r\n]*|${SPACES}`,
    ],
  },
  { names: ['falcon'], expressions: [raw`[\p{P}$+<=>^~|\x60]+`, GPT_2, '[0-9][0-9][0-9]'] },
  { names: ['default'], expressions: [raw`[\p{P}$+<=>^~|]+`, GPT_2, raw`\p{N}+`, '[0-9][0-9][0-9]'] },
];

export interface PreTokenizer {
  /** Words; together they are the text. */
  cut(text: string): string[];
  ignoresMerges: boolean;
  addsBos: boolean;
}

/** A file that names none gets `default`, as in llama.cpp. */
export function createPreTokenizer(name = 'default'): PreTokenizer {
  const kind = KINDS.find(({ names }) => names.includes(name));
  if (!kind) {
    throw new SelvedgeError(
      'unsupported_model',
      `The file's pre-tokenizer (tokenizer.ggml.pre) is ${name}; ` +
        `supported: ${KINDS.flatMap(({ names }) => names).join(', ')}.`,
    );
  }
  const stages = kind.expressions.map(compile);
  return {
    cut: (text) => stages.reduce((words, stage) => words.flatMap((word) => cutWord(word, stage)), [text]),
    ignoresMerges: kind.ignoresMerges ?? false,
    addsBos: kind.addsBos ?? false,
  };
}

function compile(expression: string): RegExp {
  const written = expression
    .replaceAll(raw`\s`, raw`\p{White_Space}`)
    .replaceAll(raw`\S`, raw`\P{White_Space}`);
  return new RegExp(written, 'gu');
}

function cutWord(text: string, stage: RegExp): string[] {
  const words: string[] = [];
  let end = 0;
  for (const { 0: word, index } of text.matchAll(stage)) {
    if (index > end) words.push(text.slice(end, index));
    words.push(word);
    end = index + word.length;
  }
  if (end < text.length) words.push(text.slice(end));
  return words;
}
