/**
 * The texts of a request's body, as whoever receives it reads them: strings of JSON without their quotes and escapes. What is
 * split over several messages or parts stands together, so that it is found; the words of the protocol, which would stand
 * between, come by themselves.
 */

/** Names of fields whose values are no content. */
const PROTOCOL = new Set([
  'id',
  'model',
  'name',
  'role',
  'tool_call_id',
  'type',
  'user',
  'detail',
  'format',
  'tool_choice',
]);

export interface BodyTexts {
  contents: string;
  protocol: string;
}

export function bodyTexts(body: string): BodyTexts {
  const contents: string[] = [];
  const protocol: string[] = [];

  function visit(value: unknown, field: string): void {
    if (typeof value === 'string') (PROTOCOL.has(field) ? protocol : contents).push(value);
    else if (Array.isArray(value)) for (const one of value) visit(one, field);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, one] of Object.entries(value)) {
        protocol.push(name);
        visit(one, name);
      }
    }
  }

  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { contents: body, protocol: '' };
  }
  visit(parsed, '');
  return { contents: contents.join('\n'), protocol: protocol.join('\n') };
}
