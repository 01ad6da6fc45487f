/**
 * The one door to IndexedDB: one versioned database, whose object stores are handed to idb-keyval as its own
 * `UseStore`. The connection is opened on first use and forgotten when the browser closes it or another tab
 * wants to upgrade, so the next use opens it again.
 */
import type { UseStore } from 'idb-keyval';

/**
 * `models`: one record per stored file. `chunks`: [file key, index] -> ArrayBuffer, where there is no OPFS.
 * `prefix-blocks`: key -> record; `prefix-nodes`: key -> node, and the revision. `settings`: by name.
 * `past-outputs`: `OutputKey` as an array -> bytes.
 */
export type StoreName = 'models' | 'chunks' | 'prefix-blocks' | 'prefix-nodes' | 'settings' | 'past-outputs';

const NAME = 'selvedge';
/** The stores that each version added. */
const ADDED: readonly (readonly StoreName[])[] = [
  ['models', 'chunks'],
  ['prefix-blocks', 'prefix-nodes', 'settings'],
  ['past-outputs'],
];
/** How long a tab that does not make way for a new version is waited for. */
const BLOCKED_MS = 3000;

let connection: Promise<IDBDatabase> | undefined;

/** Whether IndexedDB can be had at all: it is missing or refuses in some private modes. */
export async function hasDatabase(): Promise<boolean> {
  if (!(globalThis.indexedDB as IDBFactory | undefined)) return false;
  return connect().then(
    () => true,
    () => false,
  );
}

/** `strict` commits reach the disk before they are reported; `relaxed` ones survive a crash of the browser only. */
export function storeOf(name: StoreName, durability: IDBTransactionDurability): UseStore {
  return async (mode, callback) => callback((await begin(name, mode, durability)).objectStore(name));
}

async function begin(
  name: StoreName,
  mode: IDBTransactionMode,
  durability: IDBTransactionDurability,
): Promise<IDBTransaction> {
  const database = await connect();
  try {
    return database.transaction(name, mode, { durability });
  } catch (error) {
    // The connection closed between the two lines, and its event has not been seen yet.
    if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw error;
    connection = undefined;
    return (await connect()).transaction(name, mode, { durability });
  }
}

function connect(): Promise<IDBDatabase> {
  connection ??= open();
  return connection;
}

function open(): Promise<IDBDatabase> {
  const opening = new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, ADDED.length);
    let givenUp = false;
    request.addEventListener('upgradeneeded', ({ oldVersion }) => {
      for (const store of ADDED.slice(oldVersion).flat()) request.result.createObjectStore(store);
    });
    // Tabs of ours close on `versionchange`; one that hangs must not keep this one from doing without.
    request.addEventListener('blocked', () => {
      setTimeout(() => {
        givenUp = true;
        reject(new Error('IndexedDB is held open by a tab with an older version of selvedge'));
      }, BLOCKED_MS);
    });
    request.addEventListener('success', () => {
      if (givenUp) request.result.close();
      else resolve(request.result);
    });
    request.addEventListener('error', () => reject(request.error ?? new Error('IndexedDB did not open')));
  });
  const forget = (): void => {
    if (connection === opening) connection = undefined;
  };
  opening.then((database) => {
    database.addEventListener('versionchange', () => {
      database.close();
      forget();
    });
    database.addEventListener('close', forget);
  }, forget);
  return opening;
}
