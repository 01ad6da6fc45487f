/**
 * A chat template in Jinja, run by @huggingface/jinja. It is parsed at its first use and kept. What it raises itself is
 * the request's fault (`invalid_request`, with its message); what the interpreter cannot do is the model's
 * (`unsupported_model`).
 */
import { Template } from '@huggingface/jinja';
import { SelvedgeError } from '../errors.ts';

export interface JinjaTemplate {
  /** `own` are the library's variables, which the caller's cannot replace. `now` is what `strftime_now` tells. */
  render(
    own: Readonly<Record<string, unknown>>,
    callers: Readonly<Record<string, unknown>>,
    now: Date,
  ): string;
}

export function createJinjaTemplate(source: string): JinjaTemplate {
  let parsed: Template | undefined;
  return {
    render(own, callers, now) {
      parsed ??= parse(source);
      return run(parsed, { ...checked(callers, own), ...own, ...functions(now) });
    },
  };
}

/** What the template raises, told apart from failures of the interpreter. */
class Refusal extends Error {}

/** Jinja's own versions throw a plain `Error`, and write months in the language of the browser. */
const REPLACED: Readonly<Record<string, string>> = {
  raise_exception: 'selvedge_refuse',
  strftime_now: 'selvedge_now',
};

function parse(source: string): Template {
  try {
    return new Template(
      source.replace(/\b(raise_exception|strftime_now)\b(?=\s*\()/g, (name) => REPLACED[name]!),
    );
  } catch (cause) {
    throw new SelvedgeError(
      'unsupported_model',
      `The model's chat template cannot be read: ${messageOf(cause)}. Use completions with a prompt of your own.`,
      { cause },
    );
  }
}

function run(template: Template, variables: Record<string, unknown>): string {
  try {
    return template.render(variables);
  } catch (cause) {
    if (cause instanceof Refusal) {
      throw new SelvedgeError('invalid_request', `The model's chat template refuses: ${cause.message}`, {
        cause,
      });
    }
    throw new SelvedgeError(
      'unsupported_model',
      `The model's chat template failed: ${messageOf(cause)}. ` +
        'Check the messages, or use completions with a prompt of your own.',
      { cause },
    );
  }
}

function functions(now: Date): Record<string, unknown> {
  return {
    [REPLACED['raise_exception']!]: (message: unknown) => {
      throw new Refusal(String(message));
    },
    [REPLACED['strftime_now']!]: (format: string) => formatTime(now, format),
  };
}

function checked(
  variables: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const taken = Object.keys(variables).find(
    (name) => Object.hasOwn(own, name) || BUILT_IN.has(name) || Object.values(REPLACED).includes(name),
  );
  if (taken === undefined) return variables;
  throw new SelvedgeError(
    'invalid_request',
    `The template variable ${taken} is set by the library and cannot be passed; remove it.`,
    { details: { param: 'chat_template_kwargs' } },
  );
}

/** Globals of the interpreter, which cannot be set again. */
const BUILT_IN: ReadonlySet<string> = new Set([
  'true',
  'false',
  'none',
  'True',
  'False',
  'None',
  'range',
  'namespace',
  'raise_exception',
  'strftime_now',
]);

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The parts of strftime that chat templates use, in English as they expect. */
function formatTime(now: Date, format: string): string {
  const month = MONTHS[now.getMonth()]!;
  const two = (value: number): string => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    B: month,
    b: month.slice(0, 3),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    '%': '%',
  };
  return format.replace(/%([YmdBbHMS%])/g, (_, part: string) => parts[part]!);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
