/** Checks that several options of `createClient` share. */
import { SelvedgeError } from '../errors.ts';
import { invalid, isAbsent, refuseUnknown, show } from './checks.ts';
import type { Outside } from './checks.ts';

export function refuseUnknownOptions(
  from: Outside,
  known: ReadonlySet<string>,
  prefix: string,
  of = 'createClient',
): void {
  try {
    refuseUnknown(from, known, prefix);
  } catch (error) {
    if (!(error instanceof SelvedgeError)) throw error;
    const param = String(error.details['param']);
    throw invalid(param, `is not an option of ${of}. Known are ${[...known].join(', ')}.`);
  }
}

/** Absolute, because the worker's base is not the page's. */
export function readUrl(value: unknown, param: string): string | undefined {
  if (isAbsent(value)) return undefined;
  const base = typeof document === 'undefined' ? undefined : document.baseURI;
  if (typeof value === 'string' || value instanceof URL) {
    if (URL.canParse(String(value), base)) return new URL(String(value), base).href;
  }
  throw invalid(param, `is ${show(value)}; give a URL.`);
}
