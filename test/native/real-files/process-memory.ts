/**
 * How much memory a browser with all its processes takes, watched while it works: the sum of proportional set sizes, in
 * which memory that processes share counts once. Linux only; elsewhere nothing is known.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const EVERY_MS = 100;

export interface MemoryWatch {
  /** Growth is counted from here. */
  begin(): void;
  /** By how much it grew at most since. */
  grownBytes(): number | undefined;
  stop(): void;
}

/** `mark` stands in the command line of the browser's first process and of no other program's. */
export function watchMemory(mark: string): MemoryWatch {
  const canWatch = existsSync('/proc/self/smaps_rollup');
  let base = 0;
  let peak = 0;
  const look = (): void => {
    if (canWatch) peak = Math.max(peak, bytesOf(familyOf(mark)));
  };
  const timer = setInterval(look, EVERY_MS);
  return {
    begin() {
      peak = 0;
      look();
      base = peak;
    },
    grownBytes() {
      look();
      return canWatch ? peak - base : undefined;
    },
    stop: () => clearInterval(timer),
  };
}

/** The marked processes and all that they started. */
function familyOf(mark: string): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
  const pids = parents.map(([pid]) => pid);
  const family = new Set(pids.filter((pid) => read(`/proc/${pid}/cmdline`).includes(mark)));
  // Children have been started later, but numbers wrap around: look until nothing is added.
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const [child, parent] of parents) if (family.has(parent)) family.add(child);
  }
  return [...family];
}

/** After the name in brackets, which may hold anything: state, parent. */
function parentOf(pid: string): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function bytesOf(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  return 1024 * kilobytes.reduce((sum, value) => sum + value, 0);
}

/** Processes end while they are looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
