/**
 * Opens what is kept of content, beside the loading of the model: the rule, prefixes and past answers. All of it or
 * nothing: what could not be deleted for good is not kept.
 */
import type { ContentSettings } from '../rpc/protocol.ts';
import type { ContentKeys } from '../storage/content-keys.ts';
import { openRule } from '../storage/content-rule.ts';
import type { OutputStore } from '../storage/output-store.ts';
import { tenantTag } from '../storage/prefix-keys.ts';
import type { PrefixStore } from '../storage/prefix-store.ts';
import { PrefixShelf } from './prefix-shelf.ts';

export interface ContentParts {
  /** Each is undefined where the browser has no such thing. */
  openKeys(): Promise<ContentKeys | undefined>;
  openPrefixes(): Promise<PrefixStore | undefined>;
  openOutputs(): Promise<OutputStore | undefined>;
}

export interface KeptContent {
  shelf: PrefixShelf;
  outputs: OutputStore | undefined;
}

/** Undefined where the browser keeps nothing. Rejects if there is a passphrase that cannot be used. */
export async function openContent(
  parts: ContentParts,
  { settings, model, now }: { settings: ContentSettings; model: string; now: () => number },
): Promise<KeptContent | undefined> {
  const { tenant, passphrase } = settings;
  const openingOutputs = parts.openOutputs().catch(() => undefined);
  const openKeys = (): Promise<ContentKeys | undefined> => parts.openKeys();
  const store = await parts.openPrefixes();
  const rule = store && (await openRule({ openKeys, tenant: tenantTag(tenant), passphrase }));
  if (!store || !rule) return undefined;
  const shelf = await PrefixShelf.open({ settings, model, store, rule, now });
  return { shelf, outputs: await openingOutputs };
}
