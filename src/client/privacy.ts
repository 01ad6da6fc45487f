/** What a request says of its content, beside OpenAI's parameters. */
import { SelvedgeError } from '../errors.ts';
import { isAtMost, PRIVACY_CLASSES } from '../privacy/classes.ts';
import type { Privacy } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, readChoice, refuseUnknown, show } from './checks.ts';
import type { Outside } from './checks.ts';

const ROUTING = ['route', 'deadlineMs', 'maxCost'];

/** The label of what is pinned. What is not labelled is personal. */
export function readPinPrivacy(options: unknown, beginning: unknown): Privacy {
  return joinLabels(readSelvedge(options, ['privacy'], 'options.'), beginning);
}

/** Of a request to the local model: what it says of routes can only be what is done anyway. */
export function readLocalPrivacy(value: unknown, messages: unknown): Privacy {
  const from = readSelvedge(value, ['privacy', ...ROUTING]);
  if (from['route'] === 'cloud') {
    throw new SelvedgeError(
      'no_route',
      `selvedge.route is 'cloud', but there is none to go to. Pass cloud: [...] to createClient.`,
      { details: { gate: 'policy' } },
    );
  }
  return joinLabels(from, messages);
}

export function readSelvedge(value: unknown, known: readonly string[], prefix = 'selvedge.'): Outside {
  if (isAbsent(value)) return {};
  if (!isRecord(value)) throw invalid('selvedge', `is ${show(value)}; give an object.`);
  refuseUnknown(value, new Set(known), prefix);
  return value;
}

/** The most private of a request's own label and those of its messages and their parts. */
function joinLabels(from: Outside, messages: unknown): Privacy {
  let joined = readChoice<Privacy>(from, 'privacy', PRIVACY_CLASSES, 'personal');
  const join = (labelled: unknown, at: string): void => {
    if (!isRecord(labelled) || isAbsent(labelled['privacy'])) return;
    const label = readLabel(labelled['privacy'], `${at}.privacy`);
    if (!isAtMost(label, joined)) joined = label;
  };
  for (const [i, message] of Array.isArray(messages) ? messages.entries() : []) {
    join(message, `messages[${i}]`);
    const content: unknown = isRecord(message) ? message['content'] : undefined;
    if (!Array.isArray(content)) continue;
    for (const [j, part] of content.entries()) join(part, `messages[${i}].content[${j}]`);
  }
  return joined;
}

export function readLabel(value: unknown, param: string): Privacy {
  return readChoice<Privacy>({ [param]: value }, param, PRIVACY_CLASSES, 'personal');
}
