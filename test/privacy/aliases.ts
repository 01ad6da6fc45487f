/** Aliases as models write them: what comes in, cut anywhere, and what has to come of it. */
import { createRestorer } from '../../src/privacy/restore.ts';
import type { RestoreOptions } from '../../src/privacy/restore.ts';
import { createVault } from '../../src/privacy/vault.ts';
import type { Vault } from '../../src/privacy/vault.ts';
import { seeded } from '../models/random.ts';

export const VALUES = ['Anna Müller', '张伟', 'O"Neil\\', 'anna@example.org', '<b>', 'a b\nc'];

export function vaultOf(values: readonly string[] = VALUES, seed = 1): { vault: Vault; aliases: string[] } {
  const vault = createVault(seeded(seed).below);
  return { vault, aliases: values.map((value) => vault.aliasOf('name', value)) };
}

/** Cut at every place that `cuts` names. */
export function inPieces(
  text: string,
  cuts: readonly number[],
  vault: Vault,
  options?: RestoreOptions,
): string {
  const restorer = createRestorer(vault, options);
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).toSorted((a, b) => a - b), text.length];
  let shown = '';
  for (let i = 1; i < places.length; i++) shown += restorer.push(text.slice(places[i - 1], places[i]));
  return shown + restorer.end();
}

/** What models do to an alias, and what has to come of it when it stands for `value`. */
export const MUTATIONS: Record<
  string,
  (alias: string, value: string) => [written: string, expected: string]
> = {
  'as it is': (alias, value) => [alias, value],
  'in small letters': (alias, value) => [alias.toLowerCase(), value],
  'with a capital': (alias, value) => [alias[0] + alias.slice(1).toLowerCase(), value],
  'with a possessive': (alias, value) => [`${alias}'s`, `${value}'s`],
  'with another possessive': (alias, value) => [`${alias}’s`, `${value}’s`],
  'in the plural': (alias, value) => [`${alias}s`, `${value}s`],
  'with an ending': (alias, value) => [`${alias}ssa`, `${value}ssa`],
  'with Markdown escapes': (alias, value) => [alias.replaceAll('-', '\\-'), value],
  'with underscores': (alias, value) => [alias.replaceAll('-', '\\_'), value],
  'with JSON escapes': (alias, value) => [alias.replaceAll('-', '\\u002d'), value],
  'with spaces put in': (alias, value) => [alias.replaceAll('-', ' - '), value],
  'with spaces instead': (alias, value) => [alias.replaceAll('-', ' '), value],
  'with other hyphens': (alias, value) => [alias.replaceAll('-', '\u2011'), value],
  'over two lines': (alias, value) => [alias.replace('-', '-\n'), value],
  'letter by letter': (alias, value) => [[...alias].join(' '), value],
  'with invisible characters': (alias, value) => [[...alias].join('\u200b'), value],
  'without hyphens': (alias, value) => [alias.replaceAll('-', ''), value],
  'in emphasis': (alias, value) => [`**${alias}**`, `**${value}**`],
  'in brackets': (alias, value) => [`[${alias}]`, `[${value}]`],
  'in quotes': (alias, value) => [`„${alias}“`, `„${value}“`],
  'before an initial': (alias, value) => [`${alias}.M. Schmidt`, `${value}.M. Schmidt`],
  'before a decimal': (alias, value) => [`${alias}.5`, `${value}.5`],
  'at the end of a sentence': (alias, value) => [`${alias}. `, `${value}. `],
  'in escaped quotes': (alias, value) => [`\\"${alias}\\"`, `\\"${value}\\"`],
  'between letters of a script without spaces': (alias, value) => [`给${alias}写`, `给${value}写`],
};
