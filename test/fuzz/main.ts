import { fork } from 'node:child_process';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Counts, Report, Task } from './child.js';
import { Commands } from './commands.js';
import { exercise } from './exercise.js';
import { formatOf } from './formats.js';
import { makeInput } from './inputs.js';
import { savedInput, saveInput } from './saved.js';
import { loadSeeds } from './seeds.js';
import { Watch } from './watch.js';
import { Workspace } from './workspace.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    jobs: { type: 'string', default: '2' },
    format: { type: 'string' },
    input: { type: 'string' },
    corpus: { type: 'string', default: 'test/fuzz/corpus/seeds' },
    data: { type: 'string', default: 'test/data' },
    save: { type: 'string', default: 'fuzz-found' },
  },
});
const [count, seed, from, jobs] = [values.count, values.seed, values.from, values.jobs].map(Number) as [
  number,
  number,
  number,
  number,
];
if (![count, seed, from, jobs].every((number) => Number.isInteger(number) && number >= 0) || jobs === 0) {
  throw new Error('--count, --seed, --from and --jobs take whole numbers');
}
const only = values.format ?? null;
if (only !== null) formatOf(only);
const [corpus, data, save] = [values.corpus, values.data, values.save].map((path) => resolve(path)) as [
  string,
  string,
  string,
];
// the children's folders stand in it, so that nothing is left behind when one of them has to be killed
const workspace = new Workspace();
process.on('exit', () => workspace.remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
/** Inputs to one process: memory that grows with their number would show as a defect, as it should. */
const BATCH = 20_000;
/** Without word for so long the child hangs: well beyond the seconds that it measures itself, for busy machines. */
const SILENCE_MS = 60_000;
/** After so many kinds the rest is not worth the wait. */
const MAX_KINDS = 30;

interface Defect {
  readonly index: number;
  readonly saved: string | null;
  times: number;
}

const codes = new Map<string, number>();
const formats = new Map<string, Counts>();
const defects = new Map<string, Defect>();
let slowest = { index: -1, ms: 0 };
let peak = 0;

/** Runs inputs [first, last) in a child and gives the index to go on with: `last`, or what follows an input that ended it. */
function batch(first: number, last: number): Promise<number> {
  return new Promise((done, failed) => {
    const task: Task = { corpus, data, scratch: workspace.root, save, seed, first, last, only };
    const child = fork(CHILD, [JSON.stringify(task)], {
      execArgv: ['--max-old-space-size=400'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let at = first;
    let begun = false;
    let ended = false;
    let hung = false;
    let errors = '';
    const watchdog = () =>
      setTimeout(() => {
        hung = true;
        child.kill('SIGKILL');
      }, SILENCE_MS);
    let timer = watchdog();
    child.stderr!.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    child.on('message', (report: Report) => {
      clearTimeout(timer);
      timer = watchdog();
      if (report.kind === 'begin') {
        begun = true;
        at = report.index;
      } else if (report.kind === 'defect') defect(report);
      else {
        ended = true;
        for (const [code, times] of report.codes) codes.set(code, (codes.get(code) ?? 0) + times);
        for (const [name, counts] of report.formats) add(name, counts);
        if (report.slowest.ms > slowest.ms) slowest = report.slowest;
        peak = Math.max(peak, report.peak);
      }
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (ended) return done(last);
      if (!begun) return failed(new Error(`the inputs could not be made: ${errors}`));
      const why = hung
        ? `no end after ${SILENCE_MS} ms`
        : `the process ended with ${signal ?? code}: ${errors}`;
      defect({ index: at, name: why.split('\n')[0]!, why, saved: keep(at) });
      done(at + 1);
    });
  });
}

function add(name: string, { inputs, accepted, ms }: Counts): void {
  const before = formats.get(name) ?? { inputs: 0, accepted: 0, ms: 0 };
  formats.set(name, {
    inputs: before.inputs + inputs,
    accepted: before.accepted + accepted,
    ms: before.ms + ms,
  });
}

function defect({ index, name, why, saved }: Omit<Extract<Report, { kind: 'defect' }>, 'kind'>): void {
  const known = defects.get(name);
  if (known) known.times += 1;
  else {
    defects.set(name, { index, saved, times: 1 });
    console.error(`input ${index}: ${why}`);
  }
}

let seeds: ReturnType<typeof loadSeeds> | null = null;

/** Keeps an input as it is: one that ends its process cannot be made smaller in it. */
function keep(index: number): string {
  seeds ??= loadSeeds(corpus, data, workspace);
  return saveInput(save, `seed-${seed}-${index}`, makeInput(seeds, seed, index, only));
}

const started = Date.now();
const elapsed = () => (Date.now() - started) / 1000;

async function many(): Promise<void> {
  let next = from;
  let finished = 0;
  const end = from + count;
  const worker = async (): Promise<void> => {
    while (next < end && defects.size < MAX_KINDS) {
      const first = next;
      const last = Math.min(first + Math.min(BATCH, Math.ceil(count / jobs)), end);
      next = last;
      for (let at = first; at < last && defects.size < MAX_KINDS; ) at = await batch(at, last);
      finished += last - first;
      console.error(`${finished} of ${count} inputs, ${elapsed().toFixed(0)} s`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  const line = (...cells: readonly (string | number)[]) =>
    console.log(
      cells.map((cell, i) => (i === 0 ? String(cell).padEnd(14) : String(cell).padStart(10))).join(''),
    );
  for (const [code, times] of [...codes].sort()) line(code, times);
  line('format', 'inputs', 'accepted', 'ms each');
  for (const [name, { inputs, accepted, ms }] of [...formats].sort(([a], [b]) => (a < b ? -1 : 1)))
    line(name, inputs, accepted, (ms / inputs).toFixed(2));
  for (const [name, { index, times, saved }] of defects) {
    const format = only === null ? '' : ` --format ${only}`;
    console.log(
      `${times} times: ${name}\n  npm run fuzz -- --seed ${seed} --from ${index} --count 1${format}`,
    );
    if (saved !== null) console.log(`  npm run fuzz -- --input ${relative('.', saved)}`);
  }
  console.log(
    `seed ${seed}: ${count} inputs, ${defects.size} defects, ${elapsed().toFixed(0)} s, ${(count / elapsed()).toFixed(0)} inputs a second`,
  );
  console.log(
    `slowest: input ${slowest.index}, ${slowest.ms.toFixed(0)} ms; most memory: ${(peak / 1e6).toFixed(0)} MB`,
  );
  process.exitCode = defects.size > 0 ? 1 : 0;
}

/** Repeats an input that was kept: throws what it throws. */
async function again(path: string): Promise<void> {
  const input = savedInput(resolve(path));
  workspace.enter();
  const outcome = await exercise(input, {
    workspace,
    watch: new Watch(workspace.root),
    commands: new Commands(),
  });
  console.log(outcome.length === 0 ? 'success' : [...new Set(outcome)].join(' '));
}

if (values.input === undefined) await many();
else await again(values.input);
