/**
 * The one rule for every store of content (what was said, or anything computed from it): it is written sealed, and what is
 * `secret` not at all, unless under a key that the disk does not have. The seal is AES-GCM, so it is also the proof: what
 * is torn, cut, changed or under another's name does not open. Names of records are made with a secret of the same key, so
 * that they cannot be tried against guessed texts.
 *
 * The key is a tenant's, and lies where it can be written over (content-keys.ts): once it is gone, whatever the browser
 * has left of the tenant's records says nothing. It hides nothing from who has the profile while it is there; a passphrase
 * does. It is stretched by PBKDF2 with the tenant's key as the salt, so deleting is as thorough.
 *
 * A store asks `mayKeep` before it computes anything, names records with `nameSecret` and passes bytes through `seal` and
 * `open`.
 */
import { SelvedgeError } from '../errors.ts';
import { CONTENT_KEY_BYTES } from './content-keys.ts';
import type { ContentKeys } from './content-keys.ts';
import type { Privacy } from './privacy.ts';

export interface ContentRule {
  /** Whether anything of such content may be written. */
  mayKeep(privacy: Privacy): boolean;
  /** Part of whatever names are made of. Another one after `renew`. */
  readonly nameSecret: string;
  /** What may be written of `content`. `name` is bound to it: it opens under no other. */
  seal(content: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Undefined if `stored`, which may be anything, was not sealed by this rule under this name, or was changed. */
  open(stored: unknown, name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

export interface RenewableRule extends ContentRule {
  /** Nothing that was sealed until now opens again, here or on any later visit: for this tenant, or for all. */
  renew(everyTenant: boolean): Promise<void>;
}

export interface RuleOptions {
  /** Undefined where the browser has no place for keys: nothing is kept then. */
  openKeys: () => Promise<ContentKeys | undefined>;
  /** A `tenantTag`. */
  tenant: string;
  passphrase: string | null;
}

/** Undefined where what is kept could not be deleted for good: there is no place for keys, or it fails. */
export async function openRule({
  openKeys,
  tenant,
  passphrase,
}: RuleOptions): Promise<RenewableRule | undefined> {
  if (!(crypto.subtle as SubtleCrypto | undefined)) {
    if (passphrase === null) return undefined;
    throw new SelvedgeError(
      'unsupported_device',
      'A passphrase needs WebCrypto, which browsers give to secure pages only. Serve the page over https, or leave the passphrase out: nothing is kept then.',
      { details: { param: 'passphrase' } },
    );
  }
  const keys = await openKeys().catch(() => undefined);
  const first = await keys?.take(tenant).catch(() => undefined);
  if (!keys || !first) return undefined;
  const ruleUnder = (key: Uint8Array<ArrayBuffer>): Promise<ContentRule> =>
    passphrase === null ? keyRule(key) : passphraseRule(passphrase, key);
  let rule = await ruleUnder(first);
  return {
    mayKeep: (privacy) => rule.mayKeep(privacy),
    get nameSecret() {
      return rule.nameSecret;
    },
    seal: (content, name) => rule.seal(content, name),
    open: (stored, name) => rule.open(stored, name),
    async renew(everyTenant) {
      await (everyTenant ? keys.removeAll() : keys.remove(tenant));
      // If no new one can be written, one that is nowhere: what it seals is of use to this visit only.
      const fresh = (): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(CONTENT_KEY_BYTES));
      rule = await ruleUnder(await keys.take(tenant).catch(fresh));
    },
  };
}

export function isNoSecret(privacy: Privacy): boolean {
  return privacy !== 'secret';
}

/** Under a key that the disk has: secrets are not written. */
export function keyRule(key: Uint8Array<ArrayBuffer>): Promise<ContentRule> {
  return ruleOf(key, isNoSecret);
}

/** Of PBKDF2-HMAC-SHA-256: OWASP's figure of 2023. About 0.2 s, beside the loading of the model. */
const ITERATIONS = 600_000;
const NONCE_BYTES = 12;

/** Under `passphrase`, which the disk has not: everything may be written. `salt` is the same at every visit. */
export async function passphraseRule(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations = ITERATIONS,
): Promise<ContentRule> {
  const password = await crypto.subtle.importKey('raw', utf8(passphrase.normalize('NFKC')), 'PBKDF2', false, [
    'deriveBits',
  ]);
  const stretched = await crypto.subtle.deriveBits(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations },
    password,
    256,
  );
  return ruleOf(new Uint8Array(stretched), () => true);
}

async function ruleOf(bytes: Uint8Array<ArrayBuffer>, mayKeep: ContentRule['mayKeep']): Promise<ContentRule> {
  const { subtle } = crypto;
  const source = await subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits', 'deriveKey']);
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
    mayKeep,
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
      if (!(stored instanceof ArrayBuffer)) return undefined;
      const [nonce, sealed] = [stored.slice(0, NONCE_BYTES), new Uint8Array(stored).subarray(NONCE_BYTES)];
      try {
        return new Uint8Array(await subtle.decrypt(gcm(new Uint8Array(nonce), name), key, sealed));
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
