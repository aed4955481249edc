import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LOTRC } from '../lotrc.js';
import { GRID_NAMES, QUALITY } from './names.js';

/** `run.js`: the study of bench/quality, and its results. The same command goes on with a study that was stopped. */
const { values } = parseArgs({
  options: {
    out: { type: 'string', short: 'o', default: 'quality' },
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: GRID_NAMES.join(',') },
  },
});
for (const name of values.only.split(',')) {
  if (!GRID_NAMES.includes(name)) throw new Error(`--only takes ${GRID_NAMES.join(', ')}, not ${name}`);
  const grid = join(QUALITY, `${name}.json`);
  const words = ['sweep', grid, '-o', join(values.out, name), '--jobs', values.jobs, '--resume'];
  console.log(name);
  const { status } = spawnSync(process.execPath, [LOTRC, ...words], { stdio: 'inherit' });
  // 1: some runs failed, which is a result; the rows say why
  if (status !== 0 && status !== 1) process.exit(status ?? 1);
}
const report = resolve(import.meta.dirname, 'report.js');
process.exitCode = spawnSync(process.execPath, [report, values.out], { stdio: 'inherit' }).status ?? 1;
