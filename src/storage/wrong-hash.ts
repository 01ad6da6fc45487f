/** The error for a whole file that is not the one whose SHA-256 the caller named. */
import { SelvedgeError } from '../errors.ts';

export function wrongHash(
  id: string,
  expected: string,
  actual: string,
  advice: string,
  retryable: boolean,
): SelvedgeError {
  return new SelvedgeError(
    'integrity_failed',
    `Model '${id}' has the SHA-256 ${actual}, not the expected ${expected}. ${advice}`,
    { details: { expected, actual }, retryable },
  );
}
