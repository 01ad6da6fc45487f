/**
 * What the download may ask for: a file at an address that the app named when it loaded or inspected a model, and headers
 * that it named with it. There is no other way to make one, and none can be changed; so nothing that is said later, to a
 * model or by one, can be in an address or a header.
 */
import { SelvedgeError } from '../errors.ts';

declare const isNamed: unique symbol;

export interface RemoteFile {
  readonly id: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Made by `nameRemoteFile`. */
  readonly [isNamed]: true;
}

/** `url` may be relative to `base`. */
export function nameRemoteFile(
  { id, url, headers = {} }: { id: string; url: string; headers?: Record<string, string> },
  base: string,
): RemoteFile {
  const { href, protocol, username, password } = new URL(url, base);
  if (!['http:', 'https:', 'blob:', 'data:'].includes(protocol)) {
    throw notFetched(id, `its address begins with '${protocol}'. Give one that begins with https:.`);
  }
  if (username !== '' || password !== '') {
    throw notFetched(id, 'its address has a name or a password in it. Pass them as headers.');
  }
  // Only what is frozen here is branded.
  return Object.freeze({ id, url: href, headers: Object.freeze({ ...headers }) }) as RemoteFile;
}

function notFetched(id: string, reason: string): SelvedgeError {
  return new SelvedgeError('model_unavailable', `Model '${id}' was not fetched: ${reason}`);
}
