/**
 * Small checks of values that came from outside. Each throws a `SelvedgeError` that names the parameter and the
 * value, and each takes absent (`undefined` or `null`) as its default.
 */
import { SelvedgeError } from '../errors.ts';

/** What came from outside, before it is known to be anything. */
export type Outside = Record<string, unknown>;

export function invalid(param: string, problem: string): SelvedgeError {
  return new SelvedgeError('invalid_request', `${param} ${problem}`, { details: { param } });
}

export function unsupported(param: string, advice: string, what = param): SelvedgeError {
  return new SelvedgeError('unsupported_parameter', `${what} is not supported. ${advice}`, {
    details: { param },
  });
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

export function isRecord(value: unknown): value is Outside {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a message shows it, cut short. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

export function readNumber<D>(
  from: Outside,
  param: string,
  fallback: D,
  range: { min: number; max: number; integer?: boolean; above?: boolean },
): number | D {
  const value = from[param];
  if (isAbsent(value)) return fallback;
  const { min, max, integer = false, above = false } = range;
  const fits = typeof value === 'number' && value <= max && (above ? value > min : value >= min);
  if (fits && (!integer || Number.isSafeInteger(value))) return value;
  const kind = integer ? 'an integer' : 'a number';
  const bounds = above ? `above ${min} and at most ${max}` : `from ${min} to ${max}`;
  throw invalid(param, `is ${show(value)}; give ${kind} ${bounds}.`);
}

export function readBoolean(from: Outside, param: string): boolean {
  const value = from[param];
  if (isAbsent(value)) return false;
  if (typeof value === 'boolean') return value;
  throw invalid(param, `is ${show(value)}; give true or false.`);
}

export function readChoice<T extends string>(
  from: Outside,
  param: string,
  choices: readonly T[],
  fallback: T,
): T {
  const value = from[param];
  if (isAbsent(value)) return fallback;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw invalid(
    param,
    `is ${show(value)}; give one of ${choices.map((choice) => `'${choice}'`).join(', ')}.`,
  );
}

/** Refuses what is not in `known`: a misspelt name must not pass as its default. */
export function refuseUnknown(from: Outside, known: ReadonlySet<string>, prefix = ''): void {
  for (const [name, value] of Object.entries(from)) {
    if (known.has(name) || isAbsent(value)) continue;
    throw unsupported(`${prefix}${name}`, 'Leave it out, or check its spelling.');
  }
}
