/**
 * The demo page: its source is public/, and models lie in public/models, where a script puts them. They are
 * served from there and never copied into the build. The library itself is built by rolldown
 * (scripts/build.mjs), because Vite's library mode rewrites the worker's URL into one that consumers cannot
 * resolve.
 */
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { isolationHeaders } from './scripts/lib/static-server.mjs';

/**
 * What the page may load, and where it may talk to: itself, and endpoints on this machine. The engine's worker is not bound
 * by a page's policy: what it fetches is what the page names as a model. Not while developing, when Vite adds its own.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self' http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const contentSecurityPolicy: Plugin = {
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: policy },
      injectTo: 'head-prepend',
    },
  ],
};

export default defineConfig({
  root: 'public',
  base: './',
  publicDir: false,
  plugins: [contentSecurityPolicy],
  worker: { format: 'es' },
  build: { outDir: '../dist/demo', emptyOutDir: true, target: 'es2022', reportCompressedSize: false },
  server: { headers: isolationHeaders, fs: { allow: ['..'] } },
});
