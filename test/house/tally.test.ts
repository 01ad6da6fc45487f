/** The sum at the end of `npm test`: whatever goes wrong with a runner, it must not come out green. */
import { describe, expect, it } from 'vitest';
import { sumOf, tallyOfCommand, tallyOfPlaywright, tallyOfVitest } from '../../scripts/lib/tally.mjs';

const vitestFile = (status: string, tests: [string, string][], message = '') => ({
  name: 'a.test.ts',
  status,
  message,
  assertionResults: tests.map(([fullName, testStatus]) => ({ fullName, status: testStatus })),
});

const playwrightReport = (statuses: string[], errors: { message: string }[] = []) => ({
  errors,
  suites: [
    {
      title: 'chat.spec.ts',
      suites: [
        {
          title: 'inner',
          specs: statuses.map((status, index) => ({ title: `t${index}`, tests: [{ status }] })),
        },
      ],
    },
  ],
});

describe('the tally', () => {
  it('counts what passed and names what failed and what was skipped', () => {
    const report = {
      testResults: [
        vitestFile('failed', [
          ['a', 'passed'],
          ['b', 'failed'],
          ['c', 'skipped'],
          ['d', 'pending'],
        ]),
      ],
    };
    expect(tallyOfVitest('unit', report, 1)).toEqual({
      passed: 1,
      failures: ['unit: b'],
      skipped: ['unit: c', 'unit: d'],
    });
  });

  it('counts a test file that could not be imported as a failure', () => {
    const report = { testResults: [vitestFile('failed', [], 'Cannot find module\nmore')] };
    expect(tallyOfVitest('unit', report, 1).failures).toEqual(['unit: a.test.ts: Cannot find module']);
  });

  it('counts a runner that ends badly although all tests passed as a failure', () => {
    const report = { testResults: [vitestFile('passed', [['a', 'passed']])] };
    expect(tallyOfVitest('unit', report, 134).failures).toHaveLength(1);
    expect(tallyOfPlaywright('e2e', playwrightReport(['expected']), 1).failures).toHaveLength(1);
  });

  it('counts a runner that found no tests as a failure', () => {
    expect(tallyOfVitest('unit', { testResults: [] }, 0).failures).toEqual(['unit: there were no tests']);
    expect(tallyOfPlaywright('e2e', { suites: [] }, 0).failures).toEqual(['e2e: there were no tests']);
  });

  it('counts a flaky browser test as a failure and finds tests in inner suites', () => {
    expect(
      tallyOfPlaywright('e2e', playwrightReport(['expected', 'flaky', 'unexpected', 'skipped']), 1),
    ).toEqual({
      passed: 1,
      failures: ['e2e: chat.spec.ts > inner > t1', 'e2e: chat.spec.ts > inner > t2'],
      skipped: ['e2e: chat.spec.ts > inner > t3'],
    });
  });

  it('counts errors outside of tests, such as a server that did not start', () => {
    const report = playwrightReport([], [{ message: 'Port is taken\n at x' }]);
    expect(tallyOfPlaywright('e2e', report, 1).failures).toEqual(['e2e: Port is taken']);
  });

  it('adds up', () => {
    const sum = sumOf([tallyOfCommand('lint', 0), tallyOfCommand('types', 2), tallyOfCommand('format', 0)]);
    expect(sum).toEqual({ passed: 2, failures: ['types (exit code 2)'], skipped: [] });
  });
});
