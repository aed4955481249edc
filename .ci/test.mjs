// What `npm test` does: build, type check, lint, tests. Arguments go to vitest. Without any, and outside CI, the tests of the project `full`
// (vitest.config.ts) are left out. Ends with the time that it took.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const root = join(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules/.bin', name);
/** Threads of the compiler check the same types each for itself, which takes up to twice the time of one. */
const tsc = (...args) => [bin('tsc'), '--singleThreaded', ...args];
/** Two rows of steps side by side: each computes on one core. What knip asks of imports needs no build. */
const rows = [
  [
    tsc('-p', 'tsconfig.build.json'),
    tsc('-p', 'tsconfig.json', '--noEmit'),
    tsc('-p', 'tsconfig.runtime.json'),
    tsc('-p', 'tsconfig.web.json'),
  ],
  [[bin('biome'), 'check', '.'], [bin('knip')], [bin('knip'), '--production']],
];
const given = process.argv.slice(2);
const quick = given.length === 0 && process.env.CI !== 'true' && process.env.LOTRC_EVERYTHING !== '1';
const tests = [bin('vitest'), 'run', ...(quick ? ['--project', 'fast'] : given)];

const start = Date.now();
const statuses = await Promise.all(rows.map(inOrder));
process.exitCode = statuses.find((status) => status !== 0) ?? 0;
if (process.exitCode === 0) {
  const [program, ...args] = tests;
  // the build that was just made is what is tested (vitest.config.ts)
  const env = { ...process.env, LOTRC_BUILT: '1' };
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env });
  if (error) throw error;
  process.exitCode = status ?? 1;
}
if (quick)
  console.log(
    'left out: tests of compilers, browsers, GPU drivers and many processes; CI and `npm run test:all` have them',
  );
const minutes = ((Date.now() - start) / 60_000).toFixed(1);
console.log(`npm test took ${[`${minutes} minutes`, ...cpuTime()].join(', ')}`);

/** Runs steps one after another until one fails; its status, or 0. What a step says is shown whole when it has ended. */
async function inOrder(steps) {
  for (const [program, ...args] of steps) {
    const status = await new Promise((settle, fail) => {
      const env = process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1' } : process.env;
      const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
      const said = [];
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
      child.on('error', fail);
      child.on('close', (code) => {
        process.stdout.write(Buffer.concat(said));
        settle(code ?? 1);
      });
    });
    if (status !== 0) return status;
  }
  return 0;
}

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
