// What `npm test` does: build, type check, lint, tests. Arguments go to vitest. Ends with the time that it took.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const root = join(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules/.bin', name);
const steps = [
  [bin('tsc'), '-p', 'tsconfig.build.json'],
  [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'],
  [bin('tsc'), '-p', 'tsconfig.runtime.json'],
  [bin('biome'), 'check', '.'],
  [bin('knip')],
  [bin('knip'), '--production'],
  [bin('vitest'), 'run', ...process.argv.slice(2)],
];

const start = Date.now();
for (const [program, ...args] of steps) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    process.exitCode = status ?? 1;
    break;
  }
}
const minutes = ((Date.now() - start) / 60_000).toFixed(1);
console.log(`npm test took ${[`${minutes} minutes`, ...cpuTime()].join(', ')}`);

/** CPU time of all processes that were started and have ended, where the system tells it: Linux counts hundredths of a second. */
function cpuTime() {
  if (process.platform !== 'linux') return [];
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15);
  return [`${Math.round((Number(user) + Number(system)) / 100)} CPU seconds`];
}
