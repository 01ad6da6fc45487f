/**
 * The linter's rules about who may use what, each seen to fire. A rule that never fires looks exactly like a
 * rule that is kept, so every forbidden thing is written into a copy of the folder layout, linted with the
 * project's own settings, and must be reported with the sentence that explains it. What is allowed stands
 * beside it and must pass.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';

interface Case {
  path: string;
  code: string;
  /** A part of the message, or null where nothing may be reported. */
  report: string | null;
}

const forbidden: Record<string, Case> = {
  'a page room may not import the engine': bad(
    'src/client/a.ts',
    use('../engine/load.ts'),
    'through rpc/ only',
  ),
  'not even a type of it': bad('src/client/b.ts', useType('../engine/load.ts'), 'through rpc/ only'),
  'a later page room may not either': bad('src/router/a.ts', use('../model/gguf.ts'), 'through rpc/ only'),
  'the public entry may not': bad('src/index.ts', use('./storage/weights.ts'), 'through rpc/ only'),
  'a page room may not import rpc/serve': bad('src/client/c.ts', use('../rpc/serve.ts'), "worker's"),
  'the engine may not import a page room': bad(
    'src/engine/a.ts',
    use('../client/x.ts'),
    'never name a page room',
  ),
  'the engine may not open the door itself': bad(
    'src/engine/q.ts',
    use('../storage/download.ts'),
    'Only storage/ opens the door',
  ),
  'the engine may not hold the kernels of the GPU': bad(
    'src/engine/gpu-a.ts',
    use('../backend/ladder/place.ts'),
    'a module of its own',
  ),
  'the engine may not import rpc/connect': bad('src/engine/b.ts', use('../rpc/connect.ts'), 'who calls it'),
  'model may not import the engine': bad('src/model/a.ts', use('../engine/x.ts'), 'point one way'),
  'model may not import storage': bad('src/model/b.ts', use('../storage/x.ts'), 'point one way'),
  'model may not run a backend': bad('src/model/c.ts', use('../backend/wasm/session.ts'), 'does not run it'),
  'backend may not import model': bad('src/backend/a.ts', use('../model/x.ts'), 'lowest room'),
  'backend may not import engine types': bad(
    'src/backend/wasm/a.ts',
    useType('../../engine/x.ts'),
    'lowest room',
  ),
  'one backend may not import the other': bad(
    'src/backend/webgpu/a.ts',
    use('../wasm/x.ts'),
    'do not know each other',
  ),
  'nor the other way round': bad('src/backend/wasm/b.ts', use('../webgpu/x.ts'), 'do not know each other'),
  'storage may not import model': bad('src/storage/a.ts', use('../model/x.ts'), 'its own files'),
  'rpc may not import the client': bad(
    'src/rpc/connect.ts',
    use('../client/x.ts'),
    'not the other way round',
  ),
  'rpc may not hold the engine': bad('src/rpc/wire.ts', use('../engine/x.ts'), 'alone holds the engine'),
  'serve may not reach below the engine': bad('src/rpc/serve.ts', use('../storage/x.ts'), "engine's"),
  'the protocol may not import values': bad('src/rpc/protocol.ts', use('../errors.ts'), 'types only'),
  'errors may not import anything': bad('src/errors.ts', useType('./rpc/protocol.ts'), 'imports nothing'),
  'a worker entry may not hold the engine': bad('workers/a.ts', use('../src/engine/x.ts'), 'hold no logic'),
  'the demo may not import inner files': bad('public/a.ts', use('../src/client/x.ts'), 'public entry only'),
  'the library may not import node': bad('src/engine/c.ts', use('node:fs'), 'runs in browsers'),
  'the library may not import test code': bad(
    'src/model/d.ts',
    use('../../test/models/x.ts'),
    'runs in browsers',
  ),

  'the router may not ask the client': bad('src/router/b.ts', use('../client/x.ts'), 'router is pure'),
  'the router may not run a provider': bad('src/router/c.ts', use('../provider/x.ts'), 'router is pure'),
  'the router may not redact': bad('src/router/d.ts', use('../privacy/x.ts'), 'router is pure'),
  'the router may not look at a clock': bad(
    'src/router/e.ts',
    'export const a = Date.now();',
    'router is pure',
  ),
  'the router may not draw': bad('src/router/f.ts', 'export const a = Math.random();', 'router is pure'),
  'privacy may not import a provider': bad(
    'src/privacy/a.ts',
    useType('../provider/x.ts'),
    'below the router and the providers',
  ),
  'privacy may not import the client': bad('src/privacy/b.ts', use('../client/types.ts'), 'by the types of'),
  'a provider may not import the router': bad(
    'src/provider/a.ts',
    useType('../router/x.ts'),
    'not their business',
  ),
  'a provider may not redact': bad('src/provider/b.ts', use('../privacy/x.ts'), 'types of privacy/'),
  'a provider may not hold the connection': bad(
    'src/provider/c.ts',
    use('../rpc/connect.ts'),
    "the client's",
  ),
  'a provider may not import other files of the client': bad(
    'src/provider/d.ts',
    useType('../client/x.ts'),
    'by the types of',
  ),

  'eventsource-parser has one door': bad(
    'src/client/g.ts',
    use('eventsource-parser'),
    'One door for each outside package',
  ),
  'libphonenumber-js has one door': bad(
    'src/provider/e.ts',
    use('libphonenumber-js'),
    'One door for each outside package',
  ),
  'comlink has one door': bad('src/client/d.ts', use('comlink'), 'One door for each outside package'),
  'idb-keyval has one door': bad('src/engine/d.ts', use('idb-keyval'), 'One door for each outside package'),
  'jinja has one door': bad(
    'src/engine/e.ts',
    use('@huggingface/jinja'),
    'One door for each outside package',
  ),

  'a client may not fetch': bad('src/client/e.ts', "await fetch('/x');", 'Bytes leave and arrive'),
  'not by way of self': bad('src/engine/f.ts', "await self.fetch('/x');", 'Bytes leave and arrive'),
  'a door may only fetch': bad('src/storage/download.ts', "new WebSocket('wss://x');", 'two doors'),
  'not by a name in brackets': bad('src/engine/p.ts', "await globalThis['fetch']('/x');", 'two doors'),
  ...Object.fromEntries(
    [
      'void new XMLHttpRequest();',
      "void new WebSocket('wss://x.test');",
      "void new WebTransport('https://x.test');",
      "void new EventSource('/x');",
      'void new RTCPeerConnection();',
      'void new Image();',
      "importScripts('/x.js');",
      "navigator.sendBeacon('/x');",
      "window.open('/x');",
      "await import('https://x.test/a.js');",
      "await import('//x.test/a.js');",
      'export const load = (from: string) => import(from);',
      'export const show = (e: HTMLImageElement, to: string) => { e.src = to; };',
      "export const show = (e: HTMLImageElement) => { e.src = 'https://x.test/a.png'; };",
      "export const show = (e: Element, to: string) => e.setAttribute('src', to);",
      'export const go = (to: string) => { location.href = to; };',
      'export const show = (e: Element, to: string) => { e.innerHTML = to; };',
      "document.createElement('iframe');",
    ].map((code, i) => [`nor by another way: ${code}`, bad(`src/privacy/way-${i}.ts`, code, 'two doors')]),
  ),
  'not in the demo either': bad('public/way.ts', "await fetch('/x');", 'two doors'),
  'nor in a worker entry': bad('workers/way.ts', "await fetch('/x');", 'two doors'),
  'storage may not fetch elsewhere': bad('src/storage/b.ts', "await fetch('/x');", 'Bytes leave and arrive'),
  'the engine may not open a database': bad('src/engine/g.ts', "indexedDB.open('x');", 'Only storage/db.ts'),
  'storage may not open a second one': bad('src/storage/c.ts', "indexedDB.open('x');", 'Only storage/db.ts'),
  'the engine may not post messages': bad(
    'src/engine/h.ts',
    'new MessageChannel().port1.postMessage(1);',
    'Only rpc/',
  ),
  'nor to its own page': bad('src/engine/i.ts', 'postMessage(1);', 'Only rpc/'),
  'a client may not make a worker': bad('src/client/f.ts', "void new Worker('/x');", 'Only spawn-worker.ts'),
  'the engine may not touch the storage': bad(
    'src/engine/j.ts',
    'await navigator.storage.estimate();',
    'Only storage/',
  ),

  'any is refused': bad('src/engine/k.ts', 'export const a: any = 1;', 'any'),
  'a let may not be exported': bad('src/engine/l.ts', 'export let counter = 0; counter++;', 'mutable'),
  '! on a call is refused': bad('src/model/e.ts', 'export const a = [1].at(0)!;', 'index reads'),
  '! on a property is refused': bad(
    'src/model/f.ts',
    'export const f = (o: { p?: 1 }) => o.p!;',
    'index reads',
  ),
  'a to-do comment is refused': bad('src/model/g.ts', `// ${'TO'}DO: later\nexport const a = 1;`, 'comment'),
  'the console is not used': bad('src/engine/m.ts', "console.log('x');", 'console'),
  'a default export is refused': bad('src/engine/n.ts', 'export default 1;', 'default export'),
  'two files may not import each other': bad('src/model/h.ts', use('./cycle.ts'), 'cycle'),
};

const allowed: Record<string, Case> = {
  'a client uses rpc/connect and the protocol': good(
    'src/client/ok.ts',
    `${use('../rpc/connect.ts')}\n${useType('../rpc/protocol.ts')}`,
  ),
  'the router uses types and the order of classes': good(
    'src/router/ok.ts',
    `${use('../privacy/classes.ts')}\n${useType('../provider/x.ts')}`,
  ),
  'privacy uses the shapes of requests, and phone numbers': good(
    'src/privacy/ok.ts',
    `${useType('../client/types.ts')}\n${use('libphonenumber-js')}`,
  ),
  'a provider uses the shapes of requests, and the parser of events': good(
    'src/provider/ok.ts',
    `${useType('../client/types.ts')}\n${use('eventsource-parser')}`,
  ),
  'a provider uses types of privacy': good('src/provider/also-ok.ts', useType('../privacy/x.ts')),
  'the engine uses all below it': good(
    'src/engine/ok.ts',
    ['../model/x.ts', '../backend/x.ts', '../storage/x.ts'].map(use).join('\n'),
  ),
  'model uses types of the backend': good('src/model/ok.ts', useType('../backend/session.ts')),
  'model uses jinja': good('src/model/jinja.ts', use('@huggingface/jinja')),
  'rpc uses comlink and types of the engine': good(
    'src/rpc/ok.ts',
    `${use('comlink')}\n${useType('../engine/x.ts')}\nexport const f = (p: MessagePort) => p.postMessage(1);`,
  ),
  'serve holds the engine': good('src/rpc/serve.test-double.ts', useType('../engine/x.ts')),
  'storage uses idb-keyval': good('src/storage/ok.ts', use('idb-keyval')),
  'the door of the page fetches': good('src/privacy/egress.ts', "await fetch('/x');"),
  'addresses of the app itself, types and names of its own': good(
    'src/client/own.ts',
    [
      "export const load = () => import('./ok.ts');",
      "export const show = (e: HTMLImageElement) => { e.src = 'data:,'; };",
      'export type F = typeof fetch;',
      "export const ask = (fetch: F) => fetch('/x');",
    ].join('\n'),
  ),
  'the database door opens': good('src/storage/db.ts', "indexedDB.open('x');"),
  'kernel threads are spawned by the backend': good(
    'src/backend/wasm/threads.ts',
    "const thread = new Worker(self.location.href, { type: 'module' });\nthread.postMessage(1);",
  ),
  'the engine looks for an adapter': good('src/engine/gpu-b.ts', use('../backend/webgpu/adapter.ts')),
  'the entry of the worker uses serve': good('workers/engine.ts', use('../src/rpc/serve.ts')),
  'the demo uses the public entry': good('public/ok.ts', use('../src/index.ts')),
  '! on an index read is fine': good('src/model/index-read.ts', 'export const f = (a: number[]) => a[0]!;'),
  'a test may do all that': good(
    'src/engine/x.test.ts',
    `${use('node:fs')}\n${use('../client/x.ts')}\nawait fetch('/x');`,
  ),
};

const folder = mkdtempSync(join(tmpdir(), 'selvedge-arrows-'));
const reports = new Map<string, string[]>();

beforeAll(async () => {
  cpSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  cpSync(join(root, 'scripts/lint'), join(folder, 'scripts/lint'), { recursive: true });
  for (const { path, code } of [...Object.values(forbidden), ...Object.values(allowed)]) write(path, code);
  write('src/model/cycle.ts', use('./h.ts'));
  for (const { filename, text } of await lint())
    reports.set(filename, [...(reports.get(filename) ?? []), text]);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what the arrows forbid', () => {
  for (const [name, { path, report }] of Object.entries(forbidden)) {
    it(name, () => expect(reports.get(path)?.join('\n') ?? 'nothing').toContain(report));
  }
});

describe('what they allow', () => {
  for (const [name, { path }] of Object.entries(allowed)) {
    it(name, () => expect(reports.get(path)).toBeUndefined());
  }
});

function bad(path: string, code: string, report: string): Case {
  return { path, code, report };
}

function good(path: string, code: string): Case {
  return { path, code, report: null };
}

function use(specifier: string): string {
  const name = `n${specifier.replace(/\W/g, '')}`;
  return `import * as ${name} from '${specifier}';\nexport const uses${name} = ${name};`;
}

function useType(specifier: string): string {
  return `import type { T } from '${specifier}';\nexport type Uses = T;`;
}

function write(path: string, code: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), `${code}\n`);
}

interface Diagnostic {
  message: string;
  help?: string;
  filename: string;
}

function lint(): Promise<{ filename: string; text: string }[]> {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [oxlint, '--format=json'],
      { cwd: folder, maxBuffer: 1 << 26 },
      (_, output) => {
        const { diagnostics } = JSON.parse(output) as { diagnostics: Diagnostic[] };
        resolve(
          diagnostics.map(({ filename, message, help = '' }) => ({ filename, text: `${message} ${help}` })),
        );
      },
    );
  });
}
