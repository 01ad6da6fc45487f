/**
 * Runs other programs. Nothing goes through a shell, so arguments need no quoting.
 */
import { spawn, spawnSync } from 'node:child_process';
import { root } from './paths.mjs';

/**
 * Runs a program with its output on the terminal. Resolves to its exit code: 127 when it could not be
 * started, 128 + signal style codes are folded into 1. Never rejects.
 * @param {string} program
 * @param {readonly string[]} [programArguments]
 * @param {{ cwd?: string, env?: Record<string, string>, quiet?: boolean }} [options]
 * @returns {Promise<number>}
 */
export function run(program, programArguments = [], { cwd = root, env = {}, quiet = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, programArguments, {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet ? 'ignore' : 'inherit',
    });
    child.on('error', () => resolve(127));
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

/** Like `run`, but a non-zero exit throws. `what` completes "could not …". */
export async function mustRun(what, program, programArguments, options) {
  const code = await run(program, programArguments, options);
  if (code !== 0) {
    throw new Error(
      `Could not ${what}: "${[program, ...programArguments].join(' ')}" ended with code ${code}.`,
    );
  }
}

/** Whether a program is on the PATH and answers `--version`. */
export function isInstalled(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}
