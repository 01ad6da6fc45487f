/**
 * What the engine sees of where past answers are kept: bytes under keys that say whose they are, how old and how large, so
 * that what must go is chosen without reading any. Several tabs use one store at the same time. Types only.
 */

export interface OutputKey {
  /** `tenantTag` of whom it belongs to. */
  tenant: string;
  /** Stands for the tokenizer, the tenant and the content rule: answers under one root are of use to each other. */
  root: string;
  /** When it came, or came again, in milliseconds since the epoch. */
  lastUsed: number;
  /** Of the bytes that are stored. */
  byteLength: number;
  /** A hash of the root and the tokens. */
  name: string;
}

/** A method may reject, with whatever the browser gives: the caller does without. */
export interface OutputStore {
  /** Of all that is stored, in no order. */
  keys(): Promise<OutputKey[]>;
  /** What is stored under each key, undefined where there is nothing. It may be anything. */
  read(keys: readonly OutputKey[]): Promise<unknown[]>;
  /** Puts one there and takes the outdated away, or does neither. */
  write(key: OutputKey, content: Uint8Array<ArrayBuffer>, outdated: readonly OutputKey[]): Promise<void>;
  remove(keys: readonly OutputKey[]): Promise<void>;
  removeAll(): Promise<void>;
}
