import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChain } from './chain.js';
import { type Measured, makeJobs, measure } from './jobs.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    workers: { type: 'string', default: '1' },
    /** only this one */
    job: { type: 'string' },
  },
});
const [count, seed, from, workers] = [values.count, values.seed, values.from, values.workers].map(Number) as [
  number,
  number,
  number,
  number,
];
if (![count, seed, from, workers].every((number) => Number.isInteger(number) && number >= 0)) {
  throw new Error('--count, --seed, --from and --workers take whole numbers');
}
/** Kills in one folder. */
const MOST = 5;
/** After so many the rest is not worth the wait. */
const MAX_FAULTS = 20;
/** The large model has one turn in so many of the others. */
const LARGE_EVERY = 4;

const root = mkdtempSync(join(tmpdir(), 'lotrc-kills-'));
const faults: string[] = [];
process.on('exit', () => {
  // folders with faults stay to be looked at
  if (faults.length === 0) rmSync(root, { recursive: true, force: true });
  else console.error(`the folders are in ${root}`);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const started = Date.now();
const jobs: Measured[] = [];
const wanted = (await makeJobs(root)).filter(({ name }) => name === (values.job ?? name));
if (wanted.length === 0) throw new Error('--job takes the name of a job in jobs.ts');
for (const job of wanted) jobs.push(await measure(job, root));
const small = values.job === undefined ? jobs.slice(0, -1) : jobs;
const kills = new Map(jobs.map(({ name }) => [name, { all: 0, within: 0 }]));
let total = 0;
let next = from;

async function work(): Promise<void> {
  while (total < count && faults.length < MAX_FAULTS) {
    const index = next++;
    const turn = Math.floor(index / small.length);
    const place = index % small.length;
    const job = place === 0 && turn % LARGE_EVERY === 0 ? jobs.at(-1)! : small[place]!;
    const result = await runChain(job, root, seed, index, Math.min(MOST, Math.max(1, count - total)));
    total += result.kills;
    const sums = kills.get(job.name)!;
    sums.all += result.kills;
    sums.within += result.within;
    for (const fault of result.faults) {
      faults.push(fault);
      console.error(fault);
    }
    console.error(`${total} of ${count} kills, ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
}
await Promise.all(Array.from({ length: Math.max(1, workers) }, work));

for (const [name, { all, within }] of kills) {
  const number = String(all).padStart(6);
  console.log(`${name.padEnd(24)} ${number} kills, ${within} of them while it wrote`);
}
console.log(`seed ${seed}: ${total} kills in chains ${from} to ${next - 1}, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
