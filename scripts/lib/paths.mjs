/**
 * Where things are. The model cache lies outside the repository, so that a fresh clone does not fetch the
 * model again and nothing large can be committed by accident.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The repository's root folder. */
export const root = resolve(import.meta.dirname, '../..');

/** Models and other large files; override with SELVEDGE_CACHE. */
export const cacheFolder = process.env.SELVEDGE_CACHE ?? join(homedir(), '.cache', 'selvedge');

export const modelsFolder = join(root, 'public', 'models');
export const peersFolder = join(root, 'test', 'peers');
