/** Programs that run until they are closed, with all the processes that they start. */
import { spawn } from 'node:child_process';

const ENDINGS = ['SIGINT', 'SIGTERM'];

/** How long a program may take to end by itself. */
const PATIENCE_MS = 5000;

/**
 * @param {string} program
 * @param {readonly string[]} programArguments
 * @param {Record<string, string>} environment beside this process's own
 * @returns {{ close(): Promise<void> }} `close` resolves when the program is gone
 */
export function startProgram(program, programArguments, environment = {}) {
  // A group of its own: browsers are many processes.
  const child = spawn(program, programArguments, {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...environment },
  });
  const gone = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  // Its own group does not hear what ends this process.
  const endToo = (name) => {
    signal(child, 'SIGKILL');
    for (const ending of ENDINGS) process.off(ending, endToo);
    process.kill(process.pid, name);
  };
  for (const ending of ENDINGS) process.on(ending, endToo);
  void gone.then(() => ENDINGS.forEach((ending) => process.off(ending, endToo)));
  return {
    async close() {
      signal(child, 'SIGTERM');
      const patience = setTimeout(() => signal(child, 'SIGKILL'), PATIENCE_MS);
      await gone;
      clearTimeout(patience);
    },
  };
}

function signal({ pid }, name) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended by itself.
  }
}
