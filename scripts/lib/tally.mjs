/**
 * Adds up what the test runners report. Each runner writes a JSON file; a runner that ends badly without
 * having reported a failure (it crashed, a file could not be imported, no file was written) counts as one
 * failure, so that nothing red can look green. Pure.
 *
 * A tally is { passed: number, failures: string[], skipped: string[] }: the names of what failed and of what
 * was skipped, because a skip that nobody sees is a gap.
 */

/** A check that is one program with an exit code. */
export function tallyOfCommand(name, code) {
  return {
    passed: code === 0 ? 1 : 0,
    failures: code === 0 ? [] : [`${name} (exit code ${code})`],
    skipped: [],
  };
}

/** A runner that reported nothing readable. */
export function tallyOfCrash(name, reason) {
  return { passed: 0, failures: [`${name}: ${reason}`], skipped: [] };
}

/** From vitest's JSON reporter (the format is Jest's). */
export function tallyOfVitest(name, report, code) {
  const tally = { passed: 0, failures: [], skipped: [] };
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      const title = `${name}: ${test.fullName}`;
      if (test.status === 'passed') tally.passed++;
      else if (test.status === 'failed') tally.failures.push(title);
      else tally.skipped.push(title);
    }
    const unreported =
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed');
    if (unreported) tally.failures.push(`${name}: ${file.name}: ${firstLine(file.message)}`);
  }
  return withExitCode(name, tally, code);
}

/** From Playwright's JSON reporter. A test that passed only when tried again is a failure. */
export function tallyOfPlaywright(name, report, code) {
  const tally = { passed: 0, failures: [], skipped: [] };
  const visit = (suite, path) => {
    for (const spec of suite.specs ?? []) {
      for (const test of spec.tests) {
        const title = `${name}: ${[...path, spec.title].join(' > ')}`;
        if (test.status === 'expected') tally.passed++;
        else if (test.status === 'skipped') tally.skipped.push(title);
        else tally.failures.push(title);
      }
    }
    for (const inner of suite.suites ?? []) visit(inner, [...path, inner.title]);
  };
  for (const suite of report.suites) visit(suite, [suite.title]);
  for (const error of report.errors ?? []) tally.failures.push(`${name}: ${firstLine(error.message)}`);
  return withExitCode(name, tally, code);
}

export function sumOf(tallies) {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failures: tallies.flatMap((tally) => tally.failures),
    skipped: tallies.flatMap((tally) => tally.skipped),
  };
}

function withExitCode(name, tally, code) {
  if (code !== 0 && tally.failures.length === 0) {
    tally.failures.push(`${name}: the runner ended with code ${code} though no test failed`);
  }
  if (code === 0 && tally.passed + tally.skipped.length === 0)
    tally.failures.push(`${name}: there were no tests`);
  return tally;
}

function firstLine(text) {
  return String(text ?? 'no message').split('\n', 1)[0];
}
