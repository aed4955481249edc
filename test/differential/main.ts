import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check } from './check.js';
import { generate } from './generate.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'string' },
  },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
if (![count, seed].every((number) => Number.isInteger(number) && number >= 0)) {
  throw new Error('--count and --seed take whole numbers');
}

// in memory where the system has such a place: every file that is written is flushed
const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const scratch = values.keep ?? mkdtempSync(join(parent, 'lotrc-differential-'));
if (!values.keep) process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const tally = new Map<string, number>();
const add = (group: string, names: readonly string[]) => {
  for (const name of names) tally.set(`${group}  ${name}`, (tally.get(`${group}  ${name}`) ?? 0) + 1);
};
const deviating: number[] = [];
const started = Date.now();
for (let at = seed; at < seed + count; at++) {
  const folder = join(scratch, String(at));
  mkdirSync(folder, { recursive: true });
  const { deviations, compared, refused, layers } = await check(generate(at), folder);
  add('compared', compared);
  add('refused', refused);
  add('layers', layers);
  for (const deviation of deviations) console.error(`seed ${at}: ${deviation}`);
  if (deviations.length > 0) deviating.push(at);
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
  if ((at - seed + 1) % 100 === 0)
    console.error(`${at - seed + 1} of ${count} graphs, ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
for (const [name, times] of [...tally].sort()) console.log(`${name.padEnd(40)} ${String(times).padStart(6)}`);
console.log(
  `seeds ${seed} to ${seed + count - 1}: ${deviating.length} deviate ${deviating.join(' ')}`.trimEnd(),
);
process.exitCode = deviating.length > 0 ? 1 : 0;
