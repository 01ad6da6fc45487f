/**
 * What was found out about this device, remembered between visits: small values by keys that name all they depend on. Only
 * the latest are kept. Where the browser keeps nothing, or what is kept cannot be read, it is found out again.
 */
import { get, update } from 'idb-keyval';
import { toHex } from './chunks.ts';
import { hasDatabase, storeOf } from './db.ts';
import { digest } from './sha256.ts';

const RECORD = 'verdicts';
const MOST = 32;

type Entry = [key: string, verdict: unknown];

export async function readVerdict(key: string): Promise<unknown> {
  if (!(await hasDatabase())) return undefined;
  const name = await nameOf(key);
  const entries = entriesOf(await get(RECORD, settings()).catch(() => undefined));
  return entries.find(([known]) => known === name)?.[1];
}

export async function writeVerdict(key: string, verdict: unknown): Promise<void> {
  if (!(await hasDatabase())) return;
  const name = await nameOf(key);
  const add = (old: unknown): Entry[] => {
    const others = entriesOf(old).filter(([known]) => known !== name);
    return [...others, [name, verdict] satisfies Entry].slice(-MOST);
  };
  // A verdict that is not kept is found again.
  await update<unknown>(RECORD, add, settings()).catch(() => undefined);
}

const settings = (): ReturnType<typeof storeOf> => storeOf('settings', 'relaxed');

async function nameOf(key: string): Promise<string> {
  return toHex(await digest(new TextEncoder().encode(key)));
}

function entriesOf(value: unknown): Entry[] {
  if (!Array.isArray(value)) return [];
  return value.filter((entry): entry is Entry => Array.isArray(entry) && typeof entry[0] === 'string');
}
