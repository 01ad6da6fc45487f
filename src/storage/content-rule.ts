/**
 * The one rule for every store of content (what was said, or anything computed from it): what is `secret` is never
 * written, unless it is sealed under a key that the disk does not have. With a passphrase everything is sealed: AES-GCM
 * under a key from PBKDF2, so what is stored says nothing without the passphrase, not even whether a text was ever there,
 * because names of records are made with a secret from the same passphrase.
 *
 * A key that cannot be extracted but lies in IndexedDB would protect nothing: whoever has the profile has the key.
 * A store asks `mayKeep` before it computes anything, names records with `nameSecret` and passes bytes through `seal` and
 * `open`.
 */
import { SelvedgeError } from '../errors.ts';
import type { Privacy } from './privacy.ts';

export interface ContentRule {
  /** Whether anything of such content may be written. */
  mayKeep(privacy: Privacy): boolean;
  /** Part of whatever names are made of; empty without a passphrase. */
  readonly nameSecret: string;
  /** What may be written of `content`. `name` is bound to it: it opens under no other. */
  seal(content: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Undefined if `stored` was not sealed by this rule under this name, or was changed. */
  open(stored: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** Without a passphrase: content is written as it is, and secrets are not. */
export const plainRule: ContentRule = {
  mayKeep: (privacy) => privacy !== 'secret',
  nameSecret: '',
  seal: async (content) => content,
  open: async (stored) => stored,
};

/** Of PBKDF2-HMAC-SHA-256: OWASP's figure of 2023. About 0.2 s, beside the loading of the model. */
const ITERATIONS = 600_000;
const NONCE_BYTES = 12;

/** Everything is sealed under `passphrase`. `salt` is random, of this browser, and the same at every visit. */
export async function passphraseRule(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations = ITERATIONS,
): Promise<ContentRule> {
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) {
    throw new SelvedgeError(
      'unsupported_device',
      'A passphrase needs WebCrypto, which browsers give to secure pages only. Serve the page over https, or leave the passphrase out: secrets are not kept then.',
      { details: { param: 'passphrase' } },
    );
  }
  const password = await subtle.importKey('raw', utf8(passphrase.normalize('NFKC')), 'PBKDF2', false, [
    'deriveBits',
  ]);
  const stretched = await subtle.deriveBits(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations },
    password,
    256,
  );
  const source = await subtle.importKey('raw', stretched, 'HKDF', false, ['deriveBits', 'deriveKey']);
  const use = (info: string): HkdfParams => ({
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(0),
    info: utf8(info),
  });
  const aes = { name: 'AES-GCM', length: 256 };
  const key = await subtle.deriveKey(use('selvedge content'), source, aes, false, ['encrypt', 'decrypt']);
  const names = new Uint8Array(await subtle.deriveBits(use('selvedge names'), source, 256));
  const gcm = (nonce: Uint8Array<ArrayBuffer>, name: string): AesGcmParams => ({
    name: 'AES-GCM',
    iv: nonce,
    additionalData: utf8(name),
  });
  return {
    mayKeep: () => true,
    nameSecret: names.reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), ''),
    async seal(content, name) {
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const sealed = await subtle.encrypt(gcm(nonce, name), key, content);
      const stored = new Uint8Array(NONCE_BYTES + sealed.byteLength);
      stored.set(nonce);
      stored.set(new Uint8Array(sealed), NONCE_BYTES);
      return stored;
    },
    async open(stored, name) {
      try {
        const nonce = stored.slice(0, NONCE_BYTES);
        return new Uint8Array(await subtle.decrypt(gcm(nonce, name), key, stored.subarray(NONCE_BYTES)));
      } catch {
        // It says no more than that the bytes are not what was sealed.
        return undefined;
      }
    },
  };
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
