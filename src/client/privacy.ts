/** What a request says of its content, beside OpenAI's parameters. */
import type { Privacy } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readChoice, refuseUnknown, show } from './checks.ts';

const LABELS = ['public', 'personal', 'secret'] as const;

/** The label in a `selvedge` object. What is not labelled is personal. */
export function readPrivacy(value: unknown, prefix = 'selvedge.'): Privacy {
  if (isAbsent(value)) return 'personal';
  if (!isRecord(value)) throw invalid('selvedge', `is ${show(value)}; give an object.`);
  refuseUnknown(value, new Set(['privacy']), prefix);
  return readChoice<Privacy>(value, 'privacy', LABELS, 'personal');
}
