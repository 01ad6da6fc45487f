/**
 * Names of kept prefixes: a chain of hashes, so that a block's name says all that it was computed from. The root stands
 * for the model, the format of its blocks and the tenant; each next name for the block before it and the tokens of its own.
 * Equal names are equal bytes, whoever computed them, and nothing that is stored holds a token.
 *
 * The hash is the synchronous one: a block is 288 bytes to it, some ten microseconds, which is what a promise costs.
 */
import { toHex } from './chunks.ts';
import { Sha256 } from './sha256.ts';

/** What keys and values depend on besides the tokens. */
export interface PrefixWorld {
  /** Of the model: its bytes, and how they are read. */
  model: string;
  /** Of the session's blocks. */
  format: string;
  tenant: string;
  /** Of the content rule. */
  secret: string;
}

const VERSION = 'selvedge prefix 1';

export function rootKey({ model, format, tenant, secret }: PrefixWorld): string {
  return hashOf(utf8(JSON.stringify([VERSION, model, format, tenant, secret])));
}

/** Of a tenant's records, so that a list of them needs no other's. */
export function tenantTag(tenant: string): string {
  return hashOf(utf8(JSON.stringify([VERSION, 'tenant', tenant])));
}

/** The block that follows `previous` and holds the tokens `ids`. */
export function blockKey(previous: string, ids: ArrayLike<number>): string {
  return hashOf(utf8(previous), new Uint8Array(Uint32Array.from(ids).buffer));
}

function hashOf(...parts: Uint8Array[]): string {
  const sha256 = new Sha256();
  for (const part of parts) sha256.update(part);
  return toHex(sha256.finish());
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
