/**
 * Keys, tokens and passwords: by the prefixes of the usual services, by the word in front of them, or by looking random.
 * The text is cut into tokens once, and each pattern is anchored to a token, so that the work is linear.
 */
import type { Span } from './detection.ts';

/** Anchored at the beginning of a token, which consists of letters, digits and `_-+/.~`. */
const SERVICES: readonly RegExp[] = [
  /^sk-ant-[\w-]{16,}/, // Anthropic
  /^sk-(?:proj-|svcacct-|admin-|or-v1-)?[\w-]{20,}/, // OpenAI, OpenRouter, DeepSeek
  /^gh[pousr]_[A-Za-z0-9]{30,}/, // GitHub
  /^github_pat_\w{22,}/,
  /^glpat-[\w-]{20,}/, // GitLab
  /^(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z2-7]{16}(?![A-Z0-9])/, // AWS
  /^AIza[\w-]{35}/, // Google
  /^GOCSPX-[\w-]{20,}/,
  /^ya29\.[\w.-]{20,}/,
  /^xox[abeoprs]-[\w-]{10,}/, // Slack
  /^xapp-\d-[\w-]{10,}/,
  /^(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}/, // Stripe
  /^whsec_[A-Za-z0-9+/]{20,}/,
  /^eyJ[\w-]{8,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?/, // JSON web tokens
  /^npm_[A-Za-z0-9]{30,}/,
  /^pypi-[\w-]{40,}/,
  /^hf_[A-Za-z0-9]{30,}/, // Hugging Face
  /^SG\.[\w-]{16,}\.[\w-]{16,}/, // SendGrid
  /^key-[0-9a-f]{32}(?![0-9a-f])/, // Mailgun
  /^AC[0-9a-f]{32}(?![0-9a-f])/, // Twilio
  /^SK[0-9a-f]{32}(?![0-9a-f])/,
  /^dop_v1_[0-9a-f]{40,}/, // DigitalOcean
  /^shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,}/, // Shopify
  /^sq0(?:atp|csp)-[\w-]{20,}/, // Square
  /^EAA[A-Za-z0-9]{30,}/, // Facebook
  /^gsk_[A-Za-z0-9]{30,}/, // Groq
  /^xai-[A-Za-z0-9]{30,}/,
  /^pplx-[A-Za-z0-9]{30,}/,
  /^r8_[A-Za-z0-9]{30,}/, // Replicate
  /^lin_api_[A-Za-z0-9]{30,}/,
  /^ntn_[A-Za-z0-9]{30,}|^secret_[A-Za-z0-9]{40,}/, // Notion
  /^\d{8,10}:[\w-]{35}(?![\w-])/, // Telegram
  /^AGE-SECRET-KEY-1[A-Z0-9]{50,}/,
  /^[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?![0-9A-Za-z])/, // private keys of Bitcoin
];
/** How sure it is that a token is a key only because it looks random. */
export const RANDOM = 0.6;
const TOKEN = /[A-Za-z0-9_\-+/.~]{12,}/g;
const TELEGRAM = /(?<![\w:])\d{8,10}:[\w-]{35}(?![\w-])/g;
const PEM = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----/g;
/** Passwords in addresses: `scheme://user:password@host`. */
const URL_PASSWORD = /:\/\/[^\s/:@]{0,64}:([^\s/@]{1,128})@/g;
const NAMED =
  /(?:pass(?:word|wd|wort|code|phrase|e)?|pwd|kennwort|contraseñas?|clave|mots? de passe|senha|wachtwoord|lösenord|hasło|heslo|parola|şifre|jelszó|salasana|пароль|密码|密碼|パスワード|비밀번호|secret(?:[ _-]?key)?|api[ _-]?key|access[ _-]?key|auth[ _-]?token|(?:access|refresh|bearer|session)[ _-]?token|client[ _-]?secret|private[ _-]?key|bearer|\bpin(?:[ -]?(?:code|number))?)["'»”`*]{0,3}(?: {0,2}(?::|=>?|：)| {1,2}(?:is|ist|lautet|es|est|é|è|jest|är|to)(?=[\s:"'])| ?(?:は|是|为)){1,2}[ \n]{0,2}["'«“`*]{0,3}([^\s"'`»”,;<>]{3,200})/giu;
const BEARER = /\bBearer ([\w\-.~+/]{12,}=*)/g;
/** Not passwords: what code and forms put there. */
const PLACEHOLDER =
  /^(?:null|none|nil|undefined|true|false|required|optional|string|str|int|process\.env.*|os\.environ.*|env\..*|getenv.*|\$\{?\w+.*|\{\{.*|<.*|\*+|\.{3,}|x{3,}|your.*|my.*|the|a|an|not|too|very|also|still|incorrect|wrong|invalid|weak|strong|secure|expired|missing|stored|hashed|encrypted|correct|safe|changed|reset|forgotten|falsch|incorrecta?|self\..*|this\..*|req\..*|request\..*|config\..*)\.?$/i;

export function findCredentials(text: string): Span[] {
  return [...services(text), ...privateKeys(text), ...named(text), ...randomTokens(text)];
}

function services(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    // A token may stand behind a path or a dot: `.../sk-…`.
    for (const begin of beginnings(token)) {
      const rest = token.slice(begin);
      const found = SERVICES.map((service) => service.exec(rest)?.[0].length ?? 0).reduce(
        (a, b) => Math.max(a, b),
        0,
      );
      if (found === 0) continue;
      spans.push(credential(match.index + begin, match.index + begin + found, 0.98));
      break;
    }
  }
  for (const match of text.matchAll(TELEGRAM))
    spans.push(credential(match.index, match.index + match[0].length, 0.95));
  return spans;
}

/** Where in a token another may begin: at most a few, so that long ones cost no more than their length. */
function beginnings(token: string): number[] {
  const begins = [0];
  for (let at = token.indexOf('/'); at !== -1 && begins.length < 4; at = token.indexOf('/', at + 1))
    begins.push(at + 1);
  return begins;
}

function privateKeys(text: string): Span[] {
  return [...text.matchAll(PEM)].map(({ index }) => {
    const mark = text.indexOf('-----END', index);
    const lineEnd = mark === -1 ? text.length : text.indexOf('-----', mark + 8);
    return credential(index, lineEnd === -1 ? text.length : Math.min(text.length, lineEnd + 5), 0.99);
  });
}

function named(text: string): Span[] {
  const spans: Span[] = [];
  for (const pattern of [NAMED, BEARER, URL_PASSWORD]) {
    for (const match of text.matchAll(pattern)) {
      const value = (match[1] ?? '').replace(/[.!?)\]}]+$/, '');
      if (value.length < 3 || PLACEHOLDER.test(value) || isProse(value, pattern)) continue;
      const start = match.index + match[0].lastIndexOf(match[1] ?? '');
      spans.push(credential(start, start + value.length, 0.9));
    }
  }
  return spans;
}

/** "The password is needed": words follow, where a password rarely consists of lower-case letters only. */
function isProse(value: string, pattern: RegExp): boolean {
  return pattern === NAMED && /^\p{L}[\p{Ll}\p{Lo}'’-]*$/u.test(value);
}

/** Long tokens of mixed letters and digits that no word or path looks like. Hexadecimal hashes are left to a name. */
function randomTokens(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(
    /(?<![A-Za-z0-9_\-+/.~])[A-Za-z0-9_\-+/]{24,256}={0,2}(?![A-Za-z0-9_\-+/.~])/g,
  )) {
    if (looksRandom(match[0])) spans.push(credential(match.index, match.index + match[0].length, RANDOM));
  }
  return spans;
}

function looksRandom(token: string): boolean {
  if (/^[0-9a-fA-F-]+$/.test(token) || token.split(/[/_-]/).length > 5) return false;
  const changes = (token.match(/[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])/g) ?? []).length;
  return /[a-z]/.test(token) && /[A-Z]/.test(token) && /[0-9]/.test(token) && changes >= token.length / 5;
}

function credential(start: number, end: number, confidence: number): Span {
  return { start, end, kind: 'credential', source: 'pattern', confidence };
}
