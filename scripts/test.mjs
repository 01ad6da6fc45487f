/**
 * `npm test`: everything that must hold, on a machine that has nothing but Node. Installs what is missing,
 * then runs lint, types, unit, browser, end-to-end and package tests. The last line is
 * `N passed, N failed`, summed over all of them, and the exit code says the same.
 *
 * --browsers   instead: the library in Firefox and WebKitGTK (`npm run test:browsers`)
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureChromium } from './lib/chromium.mjs';
import { run } from './lib/command.mjs';
import { ensureModel, publishModel } from './lib/model.mjs';
import { ensureOtherBrowsers } from './lib/other-browsers.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { peersFolder, root } from './lib/paths.mjs';
import { sumOf, tallyOfCommand, tallyOfCrash, tallyOfPlaywright, tallyOfVitest } from './lib/tally.mjs';

const reportsFolder = join(root, 'out', 'test');
const tool = (path) => join(root, 'node_modules', path);

const tallies = [];
await (process.argv.includes('--browsers') ? runOtherBrowsers() : runEverything());
finish();

async function setUp(name, step) {
  try {
    await step();
    return true;
  } catch (error) {
    console.error(`\n${error.message}`);
    tallies.push(tallyOfCrash(name, error.message.split('\n', 1)[0]));
    return false;
  }
}

async function runOtherBrowsers() {
  if (!(await setUp('packages', () => ensurePackages(root)))) return;
  await setUp('model', async () => publishModel(await ensureModel()));
  await setUp('chromium', ensureChromium);
  await ensureOtherBrowsers();
  tallies.push(await check('build', 'scripts/build.mjs', ['--library']));
  tallies.push(await vitest('browsers'));
}

async function runEverything() {
  if (!(await setUp('packages', () => ensurePackages(root)))) return;
  await ensurePackages(peersFolder, { lenient: true }).catch((error) => {
    console.warn(`${error.message}\nTests that compare with other runtimes will be skipped.`);
  });
  await setUp('model', async () => publishModel(await ensureModel()));
  const hasChromium = await setUp('chromium', ensureChromium);

  const build = await check('build', 'scripts/build.mjs');
  tallies.push(build);
  tallies.push(await check('lint', tool('oxlint/bin/oxlint'), ['--deny-warnings']));
  tallies.push(
    await check('format', tool('prettier/bin/prettier.cjs'), ['--check', '--log-level', 'warn', '.']),
  );
  tallies.push(await check('types', 'scripts/types.mjs'));
  tallies.push(await vitest('unit'));
  if (!hasChromium) return;
  tallies.push(await vitest('browser'));
  for (const project of ['behaviour', 'package']) {
    const built = build.failures.length === 0;
    tallies.push(
      built ? await playwright(project) : tallyOfCrash(project, 'not run, because the build failed'),
    );
  }
}

/** One program that says yes or no by its exit code. */
async function check(name, script, scriptArguments = []) {
  announce(name);
  return tallyOfCommand(name, await run(process.execPath, [script, ...scriptArguments]));
}

async function vitest(project) {
  announce(project);
  const file = reportFile(project);
  const code = await run(process.execPath, [
    tool('vitest/vitest.mjs'),
    'run',
    `--project=${project}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  return readReport(project, file, code, tallyOfVitest);
}

async function playwright(project) {
  announce(project);
  const file = reportFile(project);
  const code = await run(
    process.execPath,
    [tool('@playwright/test/cli.js'), 'test', `--project=${project}`, '--reporter=list,json'],
    { env: { PLAYWRIGHT_JSON_OUTPUT_FILE: file } },
  );
  return readReport(project, file, code, tallyOfPlaywright);
}

/** A fresh path: a report of an earlier run must not be taken for this one's. */
function reportFile(project) {
  const file = join(reportsFolder, `${project}.json`);
  mkdirSync(reportsFolder, { recursive: true });
  rmSync(file, { force: true });
  return file;
}

function readReport(project, file, code, tallyOf) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return tallyOfCrash(project, `the runner ended with code ${code} and left no report`);
  }
  return tallyOf(project, report, code);
}

function announce(name) {
  console.log(`\n=== ${name}`);
}

function finish() {
  const { passed, failures, skipped } = sumOf(tallies);
  console.log('');
  for (const name of skipped) console.log(`skipped  ${name}`);
  for (const name of failures) console.log(`FAILED   ${name}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
  console.log(`${passed} passed, ${failures.length} failed`);
}
