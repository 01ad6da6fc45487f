/**
 * Bytes leave and arrive by two doors, which name `fetch` and nothing else. Everything in a browser that talks to a network
 * is refused elsewhere: by its global name, through the global object, as a property that loads when it is set, as an
 * element that loads by itself, and as code from an address. `{ allow: ['fetch'] }` makes a file a door.
 */
const MESSAGE =
  'Bytes leave and arrive by two doors: privacy/egress.ts on the page and storage/download.ts in the worker.';

const GLOBALS = new Set([
  'fetch',
  'fetchLater',
  'XMLHttpRequest',
  'WebSocket',
  'WebSocketStream',
  'WebTransport',
  'EventSource',
  'RTCPeerConnection',
  'webkitRTCPeerConnection',
  'importScripts',
  'Image',
  'Audio',
  'open',
]);
const GLOBAL_OBJECTS = new Set(['self', 'window', 'globalThis', 'top', 'parent', 'frames']);
/** Of any object. */
const METHODS = new Set(['sendBeacon', 'insertAdjacentHTML']);
/** Setting one of these loads what it names, or goes there. */
const LOADING = new Set([
  'src',
  'srcset',
  'srcdoc',
  'href',
  'poster',
  'action',
  'formAction',
  'ping',
  'innerHTML',
  'outerHTML',
  'cssText',
]);
const ELEMENTS = new Set([
  'img',
  'script',
  'iframe',
  'frame',
  'link',
  'object',
  'embed',
  'audio',
  'video',
  'source',
  'track',
  'form',
  'image',
  'portal',
]);
/** Of the app itself, or no address at all. */
const IS_OWN = /^(?:\.{0,2}\/(?!\/)|#|data:|blob:|[\w-]+(?:$|[./](?!\/)))/;

function nameOf({ computed, property }) {
  if (!computed) return property.name;
  return property.type === 'Literal' ? String(property.value) : undefined;
}

/** The text of a literal; undefined if it is not known here. */
function textOf(node) {
  if (node?.type === 'Literal') return String(node.value);
  if (node?.type === 'TemplateLiteral' && node.expressions.length === 0) return node.quasis[0].value.cooked;
  return undefined;
}

export const oneDoorForBytes = {
  meta: { schema: [{ type: 'object' }] },
  create(context) {
    const allowed = new Set(context.options[0]?.allow ?? []);
    const report = (node, what) => context.report({ node, message: `Unexpected ${what}. ${MESSAGE}` });
    const checkName = (node, name) => {
      if (GLOBALS.has(name) && !allowed.has(name)) report(node, name);
    };
    return {
      'Program:exit'() {
        for (const { identifier, isTypeReference } of context.sourceCode.scopeManager.globalScope.through) {
          const isType = isTypeReference || identifier.parent?.type === 'TSTypeQuery';
          if (!isType) checkName(identifier, identifier.name);
        }
      },
      MemberExpression(node) {
        const name = nameOf(node);
        if (node.object.type === 'Identifier' && GLOBAL_OBJECTS.has(node.object.name)) checkName(node, name);
        if (METHODS.has(name)) report(node, name);
      },
      AssignmentExpression({ left, right }) {
        if (left.type !== 'MemberExpression' || !LOADING.has(nameOf(left))) return;
        if (!IS_OWN.test(textOf(right) ?? 'https://')) report(left, `address in ${nameOf(left)}`);
      },
      CallExpression({ callee, arguments: [first, second] }) {
        if (callee.type !== 'MemberExpression') return;
        const name = nameOf(callee);
        const word = textOf(first)?.toLowerCase();
        if (name?.startsWith('createElement') && ELEMENTS.has(word)) report(callee, `<${word}>`);
        if (name !== 'setAttribute' || !LOADING.has(word)) return;
        if (!IS_OWN.test(textOf(second) ?? 'https://')) report(callee, `address in ${word}`);
      },
      ImportExpression(node) {
        if (!IS_OWN.test(textOf(node.source) ?? 'https://')) report(node, 'code from an address');
      },
    };
  },
};
