/**
 * The demo page: its source is public/, and models lie in public/models, where a script puts them. They are
 * served from there and never copied into the build. The library itself is built by rolldown
 * (scripts/build.mjs), because Vite's library mode rewrites the worker's URL into one that consumers cannot
 * resolve.
 */
import { defineConfig } from 'vite';
import { isolationHeaders } from './scripts/lib/static-server.mjs';

export default defineConfig({
  root: 'public',
  base: './',
  publicDir: false,
  worker: { format: 'es' },
  build: { outDir: '../dist/demo', emptyOutDir: true, target: 'es2022', reportCompressedSize: false },
  server: { headers: isolationHeaders, fs: { allow: ['..'] } },
});
