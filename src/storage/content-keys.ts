/**
 * Where the key lies that a tenant's content is sealed under. Everything else about content may survive its deletion: a
 * database appends, and what it has freed it writes over some day. A key is written over where it lies, and then whatever
 * was sealed under it is noise.
 */

/** Bytes of a key. */
export const CONTENT_KEY_BYTES = 32;

/** `tenant` is a `tenantTag`. A method may reject, with whatever the browser gives. Tabs use the same keys. */
export interface ContentKeys {
  /** Random bytes, the same at every call until they are removed. They are on the disk before anybody has them. */
  take(tenant: string): Promise<Uint8Array<ArrayBuffer>>;
  /** When it resolves the key is nowhere on the disk. Nothing happens where there is none. */
  remove(tenant: string): Promise<void>;
  removeAll(): Promise<void>;
}
