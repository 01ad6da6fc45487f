/**
 * Does the browser's quota hold the file? Asked before the first byte is stored, and answered with both numbers,
 * because a page can only help (delete another model, choose a smaller one) when it knows them.
 */
import { SelvedgeError } from '../errors.ts';

/** Throws `storage_full` when `neededBytes` more do not fit. Says nothing where the browser gives no estimate. */
export async function checkRoom(id: string, neededBytes: number): Promise<void> {
  const available = await availableBytes();
  if (available !== undefined && neededBytes > available) throw storageFull(id, neededBytes, available);
}

/**
 * The disk filled up although the estimate, which browsers round or invent, had promised room: what did fit is the
 * best number there is.
 */
export function fullWhileWriting(
  id: string,
  neededBytes: number,
  writtenBytes: number,
  cause: unknown,
): SelvedgeError {
  return storageFull(id, neededBytes, writtenBytes, cause);
}

export function isQuotaError(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

/** What the browser says of this origin, where it says something. */
export async function estimateStorage(): Promise<StorageEstimate> {
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  return (await storage?.estimate?.().catch(() => undefined)) ?? {};
}

async function availableBytes(): Promise<number | undefined> {
  const { quota, usage = 0 } = await estimateStorage();
  return quota === undefined ? undefined : Math.max(0, quota - usage);
}

function storageFull(
  id: string,
  neededBytes: number,
  availableBytes: number,
  cause?: unknown,
): SelvedgeError {
  return new SelvedgeError(
    'storage_full',
    `Model '${id}' needs ${megabytes(neededBytes)} of storage, this browser allows ` +
      `${megabytes(availableBytes)}. Delete a stored model, free disk space or choose a smaller model.`,
    { details: { neededBytes, availableBytes }, ...(cause === undefined ? {} : { cause }) },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
