/**
 * CPU seconds of each file and of its tests, one line of JSON for a file, in the file that LOTRC_TIMES names (vitest.config.ts): of the
 * process and of those that it started and that have ended, as Linux counts them. What files share is counted for the first of a process.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';

/** User and system time of this process and of children that were waited for, in hundredths of a second. */
function used(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
}

const start = used();
let before = start;
let collected: number | undefined;
const tests: [string, number][] = [];

beforeEach(() => {
  before = used();
  collected ??= before;
});
afterEach(() => {
  tests.push([expect.getState().currentTestName ?? '', (used() - before) / 100]);
});
afterAll(() => {
  const file = relative(process.cwd(), expect.getState().testPath ?? '');
  const end = used();
  const line = { file, seconds: (end - start) / 100, loading: ((collected ?? end) - start) / 100, tests };
  appendFileSync(process.env.LOTRC_TIMES ?? '/dev/null', `${JSON.stringify(line)}\n`);
});
