/**
 * Who may do what with a stored file, across tabs: a download has it alone, readers share it. The browser frees
 * the locks of a tab that dies, so nobody waits for ever. Nobody waits while holding one, so there is no
 * deadlock. Where there are no Web Locks (insecure pages), two tabs may fetch the same file twice; the chunk
 * hashes still keep either from trusting what the other spoiled.
 */

export type Release = () => void;

/** Waits for the lock on `key`; aborting `signal` ends the waiting only. */
export async function lock(key: string, mode: LockMode, signal: AbortSignal | undefined): Promise<Release> {
  const release = await request(key, { mode, ...(signal ? { signal } : {}) });
  return release ?? (() => {});
}

/** The lock on `key` if it is free now, for one alone. */
export function tryLock(key: string): Promise<Release | undefined> {
  return request(key, { mode: 'exclusive', ifAvailable: true });
}

function request(key: string, options: LockOptions): Promise<Release | undefined> {
  if (!('locks' in navigator)) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const held = (granted: Lock | null): Promise<void> | undefined => {
      if (granted) return new Promise<void>((release) => resolve(release));
      resolve(undefined);
      return undefined;
    };
    navigator.locks.request(`selvedge:${key}`, options, held).catch(reject);
  });
}
