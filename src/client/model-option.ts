/**
 * The options that say which model: an address, a preset's name, or the user's own files. What comes out is what crosses to
 * the worker. Functions take the name of the option, `model` or `draft`, for errors.
 */
import type { LoadRequest } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, show } from './checks.ts';
import type { Outside } from './checks.ts';
import { readUrl, refuseUnknownOptions } from './option-checks.ts';
import { findPreset, modelPresets } from './presets.ts';

type Source = LoadRequest['source'];
type FileSource = Exclude<Source, { kind: 'files' }>;
type UrlSource = Extract<Source, { kind: 'url' }>;

export interface ModelAddress {
  url: string;
  /** Of the whole file, hex. Checked while it is read. Of a model in several files an array, one for each. */
  sha256?: string | readonly string[];
  /** Its name in storage and responses; default: the file's name without `.gguf`. */
  id?: string;
  /** Sent with the download. */
  headers?: Record<string, string>;
}

/** On the user's own disk. */
export type LocalFile = Blob | FileSystemFileHandle;

/** Of a model in several files the URL of the first one, or an array of all files that the user chose. */
export type ModelOption = string | URL | ModelAddress | LocalFile | readonly LocalFile[];

/** In the URL of the first of several files, as llama.cpp names them. */
const FIRST_PART = /-00001-of-(\d{5})(?=\.gguf(?:[?#]|$))/i;

export function readModel(model: unknown, option: string): Source {
  if (typeof model === 'string') {
    const preset = findPreset(model);
    if (preset)
      return {
        kind: 'url',
        id: preset.id,
        url: preset.url,
        ...(preset.sha256 ? { sha256: preset.sha256 } : {}),
      };
    refuseUnknownPreset(model, option);
  }
  if (typeof model === 'string' || model instanceof URL) return fromUrl({ url: model }, option, option);
  if (isLocalFile(model)) return fromLocalFile(model);
  if (Array.isArray(model) && model.length > 0 && model.every(isLocalFile)) return fromLocalFiles(model);
  if (isRecord(model) && 'url' in model) return fromUrl(model, option, `${option}.url`);
  throw invalid(
    option,
    `is ${show(model)}; give a URL, { url }, a File, a Blob, a FileSystemFileHandle, or an array of files.`,
  );
}

function isLocalFile(value: unknown): value is LocalFile {
  return (typeof Blob !== 'undefined' && value instanceof Blob) || isFileHandle(value);
}

function nameOf(file: LocalFile): string {
  return 'name' in file ? String(file.name) : '';
}

function fromLocalFile(file: LocalFile): FileSource {
  const id = idOf(nameOf(file));
  return isFileHandle(file) ? { kind: 'handle', handle: file, id } : { kind: 'blob', blob: file, id };
}

/** In the order of their names, which have numbers of five digits. */
function fromLocalFiles(files: readonly LocalFile[]): Source {
  const byName = files.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0));
  const id = idOf(nameOf(byName[0]!));
  return { kind: 'files', id, files: byName.map((file) => ({ ...fromLocalFile(file), id })) };
}

/** A bare word is no address that anybody would give a model file. */
function refuseUnknownPreset(model: string, option: string): void {
  if (!/^[\w.-]+$/.test(model) || /\.[a-z]\w*$/i.test(model)) return;
  const known = modelPresets.map(({ id }) => id).join(', ');
  throw invalid(option, `is ${show(model)}, which is not a known name. Give a URL, or one of ${known}.`);
}

/** `param` is how the URL was given. */
function fromUrl(address: Outside, option: string, param: string): Source {
  refuseUnknownOptions(address, new Set(['url', 'sha256', 'id', 'headers']), `${option}.`);
  const url = readUrl(address['url'], param);
  if (url === undefined) throw invalid(param, 'is missing; give the address of a GGUF file.');
  const { sha256, id, headers } = address;
  if (!isAbsent(id) && !(typeof id === 'string' && id !== '')) {
    throw invalid(`${option}.id`, `is ${show(id)}; give a string that is not empty.`);
  }
  const file = {
    kind: 'url',
    url,
    id: id ?? idOf(new URL(url).pathname),
    ...(isAbsent(headers) ? {} : { headers: readHeaders(headers, `${option}.headers`) }),
  } as const;
  if (isAbsent(sha256)) return file;
  const hashParam = `${option}.sha256`;
  return Array.isArray(sha256)
    ? hashedParts(file, sha256, hashParam)
    : { ...file, sha256: readHash(sha256, hashParam) };
}

/** One file for each hash. */
function hashedParts(first: UrlSource, hashes: readonly unknown[], param: string): Source {
  const count = FIRST_PART.exec(first.url)?.[1];
  if (Number(count) !== hashes.length) {
    const expected = count ? `is of ${Number(count)}` : 'is not the first of several';
    throw invalid(param, `has ${hashes.length} hashes, but by its name the file ${expected}.`);
  }
  const files = hashes.map((hash, index) => {
    const part = `-${String(index + 1).padStart(5, '0')}-of-${count}`;
    return { ...first, url: first.url.replace(FIRST_PART, part), sha256: readHash(hash, param) };
  });
  return { kind: 'files', files, id: first.id };
}

function readHash(hash: unknown, param: string): string {
  if (typeof hash === 'string' && /^[0-9a-f]{64}$/i.test(hash)) return hash.toLowerCase();
  throw invalid(param, `is ${show(hash)}; give 64 hex digits.`);
}

function readHeaders(headers: unknown, param: string): Record<string, string> {
  if (!isRecord(headers)) throw invalid(param, `is ${show(headers)}; give an object of strings.`);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (typeof value === 'string') return [name, value];
      throw invalid(`${param}.${name}`, 'is not a string; give one.');
    }),
  );
}

function idOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return decodeName(name).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '') || 'model';
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function isFileHandle(value: unknown): value is FileSystemFileHandle {
  return typeof FileSystemFileHandle !== 'undefined' && value instanceof FileSystemFileHandle;
}
