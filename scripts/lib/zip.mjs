/**
 * Reads one entry of a zip file: enough for Python wheels, so that no unzip program is needed. Knows the
 * stored and deflated methods and sizes below 4 GiB (a wheel of that size would be refused by its registry).
 * Layout: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
/** The end record is 22 bytes and a comment of at most 65,535. */
const LONGEST_END = 22 + 0xffff;

/** Writes the entry `name` of the zip file `zipPath` to `target`, or to its end. Throws when there is no such entry. */
export async function extractFromZip(zipPath, name, target, { append = false } = {}) {
  const file = await open(zipPath);
  let entry;
  try {
    entry = await findEntry(file, name, zipPath);
  } finally {
    await file.close();
  }
  const packed = createReadStream(zipPath, { start: entry.start, end: entry.start + entry.packedSize - 1 });
  const stages = entry.method === DEFLATED ? [createInflateRaw()] : [];
  await pipeline([packed, ...stages, createWriteStream(target, { flags: append ? 'a' : 'w' })]);
}

async function findEntry(file, name, zipPath) {
  const { size } = await file.stat();
  const tail = await readAt(file, Math.max(0, size - LONGEST_END), Math.min(size, LONGEST_END));
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) throw new Error(`${zipPath} is not a zip file`);
  const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  for (let at = 0; at + 46 <= directory.length;) {
    if (directory.readUInt32LE(at) !== CENTRAL_SIGNATURE) break;
    const nameLength = directory.readUInt16LE(at + 28);
    if (directory.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const method = directory.readUInt16LE(at + 10);
      if (method !== STORED && method !== DEFLATED) throw new Error(`${name} is packed by method ${method}`);
      const start = await startOfData(file, directory.readUInt32LE(at + 42), zipPath);
      return { method, start, packedSize: directory.readUInt32LE(at + 20) };
    }
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  throw new Error(`${zipPath} holds no ${name}`);
}

/** The local header repeats the name and may carry other extra fields than the directory. */
async function startOfData(file, offset, zipPath) {
  const header = await readAt(file, offset, 30);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE) throw new Error(`${zipPath} is damaged`);
  return offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

async function readAt(file, position, length) {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
