/**
 * Puts back what aliases stand for, while an answer streams in. Only aliases of its own conversation are known. Text leaves at
 * once, but for the possible beginning of an alias; how the text was cut into pieces makes no difference.
 *
 * An alias stays what it is in a URL, in code and in the arguments of tools: a model that was talked into it would send
 * things there, and what it says there may go anywhere. A sink whose label admits what is personal gets it.
 */
import { createAliasMatcher } from './alias-matcher.ts';
import { isAtMost } from './classes.ts';
import type { PrivacyClass } from './classes.ts';
import { createJsonPlace } from './json-place.ts';
import { createMarkdownPlace } from './markdown-place.ts';
import type { Place } from './text-place.ts';
import type { Vault } from './vault.ts';

export interface RestoreOptions {
  /** What the text is. `json` is an answer in JSON, `tool-arguments` are always JSON. Default 'markdown'. */
  format?: 'markdown' | 'json' | 'tool-arguments' | undefined;
  /** The most private class that may be put there. Default 'public', and for text 'personal'. */
  sinks?: Partial<Record<SinkName, PrivacyClass>> | undefined;
}

export type SinkName = Place | 'tool-arguments';

export interface Restorer {
  /** What can be shown by now. */
  push(piece: string): string;
  /** The rest. */
  end(): string;
}

const SINKS: Record<SinkName, PrivacyClass> = {
  text: 'personal',
  code: 'public',
  url: 'public',
  'tool-arguments': 'public',
};

/** Everything that an alias stands for. */
const RESTORED_CLASS: PrivacyClass = 'personal';

export function createRestorer(
  vault: Vault,
  { format = 'markdown', sinks = {} }: RestoreOptions = {},
): Restorer {
  const matcher = createAliasMatcher(vault.entries());
  const place = format === 'markdown' ? createMarkdownPlace() : createJsonPlace();
  let held = '';
  let previous = '';

  function mayRestore(): boolean {
    const here = place.here();
    const isAdmitted = (sink: SinkName): boolean => isAtMost(RESTORED_CLASS, sinks[sink] ?? SINKS[sink]);
    return isAdmitted(here) && (format !== 'tool-arguments' || isAdmitted('tool-arguments'));
  }

  function pass(end: number, shown: string): string {
    const passed = held.slice(0, end);
    place.advance(passed);
    previous = passed.at(-1) ?? previous;
    held = held.slice(end);
    return shown;
  }

  function flush(isComplete: boolean): string {
    let shown = '';
    let at = 0;
    while (at < held.length) {
      const match = matcher.match(held, at, at === 0 ? previous : (held[at - 1] ?? ''), isComplete);
      if (match === null) {
        at += 1;
        continue;
      }
      shown += pass(at, held.slice(0, at));
      if (match === 'wait') return shown;
      const end = match.end - at;
      shown += pass(end, mayRestore() ? place.quote(match.value) : held.slice(0, end));
      at = 0;
    }
    return shown + pass(at, held.slice(0, at));
  }

  return {
    push(piece) {
      held += piece;
      return flush(false);
    },
    end: () => flush(true),
  };
}

/** All of a text at once. */
export function restore(text: string, vault: Vault, options?: RestoreOptions): string {
  const restorer = createRestorer(vault, options);
  return restorer.push(text) + restorer.end();
}
