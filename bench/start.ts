/** Prints how long lotrc takes to start: medians of whole processes, and of Node itself, in milliseconds. */
import { spawnSync } from 'node:child_process';
import { LOTRC } from './lotrc.js';

const RUNS = 15;

function median(argv: readonly string[]): number {
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    const { status } = spawnSync(process.execPath, argv);
    if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}`);
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
}

const cases: readonly (readonly [string, readonly string[]])[] = [
  ['node -e 0', ['-e', '0']],
  ['lotrc --help', [LOTRC, '--help']],
  ['lotrc --version', [LOTRC, '--version']],
  ['lotrc rewrite --help', [LOTRC, 'rewrite', '--help']],
];
for (const [name, argv] of cases) console.log(`${name.padEnd(24)} ${median(argv).toFixed(0).padStart(6)} ms`);
