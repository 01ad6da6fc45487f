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
    const isExact = finding.kind === 'credential' || finding.encoded !== undefined;
    const found = text.slice(finding.start, finding.end);
    redacted += text.slice(end, finding.start) + vault.aliasOf(finding.kind, found, { isExact });
    end = finding.end;
  }
  return redacted + text.slice(end);
}
