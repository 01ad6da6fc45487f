/**
 * Messages with aliases in the place of what was found in them. Findings come by text, in the order of `textsOf`: every
 * field that has one is redacted, whoever wrote it and however old it is.
 */
import type { ChatMessageParam } from '../client/types.ts';
import type { Finding } from './detection.ts';
import { mapTexts } from './message-texts.ts';
import type { Vault } from './vault.ts';

/** `findings`: ascending and not overlapping, one list for each text of the messages. */
export function redact(
  messages: readonly ChatMessageParam[],
  findings: readonly (readonly Finding[])[],
  vault: Vault,
): ChatMessageParam[] {
  let index = 0;
  return mapTexts(messages, ({ text }) => redactText(text, findings[index++] ?? [], vault));
}

export function redactText(text: string, findings: readonly Finding[], vault: Vault): string {
  let redacted = '';
  let end = 0;
  for (const finding of findings) {
    if (finding.end <= end) continue;
    const start = Math.max(end, wordStart(text, finding.start));
    const next = wordEnd(text, finding.end);
    const isExact = finding.kind === 'credential' || finding.encoded !== undefined;
    const alias = vault.aliasOf(finding.kind, text.slice(start, next), { isExact });
    redacted += text.slice(end, start) + alias;
    end = next;
  }
  return redacted + text.slice(end);
}

/**
 * A word of which a part is found goes whole: its rest would say what it was, and an alias with letters or digits behind it is
 * another word.
 */
function wordStart(text: string, at: number): number {
  let start = at;
  while (IN_WORD.test(text[start - 1] ?? '') && !SPACE.test(text[start] ?? '')) start -= 1;
  return start;
}

function wordEnd(text: string, at: number): number {
  let end = at;
  while (IN_WORD.test(text[end] ?? '') && !SPACE.test(text[end - 1] ?? '')) end += 1;
  return end;
}

/** Digits, and letters of scripts that put spaces between words. */
const IN_WORD = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Nd}]/u;
const SPACE = /\s/;
