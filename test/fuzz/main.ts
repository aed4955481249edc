import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Report } from './child.js';
import { makeInput } from './inputs.js';
import { loadSeeds } from './seeds.js';
import { Workspace } from './workspace.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    corpus: { type: 'string', default: 'test/fuzz/corpus/seeds' },
    save: { type: 'string', default: 'fuzz-found' },
  },
});
const [count, seed, from] = [Number(values.count), Number(values.seed), Number(values.from)];
if (![count, seed, from].every((number) => Number.isInteger(number) && number >= 0)) {
  throw new Error('--count, --seed and --from take whole numbers');
}
const corpus = resolve(values.corpus);
// the children's folders stand in it, so that nothing is left behind when one of them has to be killed
const workspace = new Workspace();
process.on('exit', () => workspace.remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
/** Inputs to one process: memory that grows with their number would show as a defect, as it should. */
const BATCH = 20_000;
/** Without word for so long the child hangs: well beyond the 2 s that it measures itself, for busy machines. */
const SILENCE_MS = 15_000;

/** After so many the rest is not worth the wait. */
const MAX_DEFECTS = 50;

const codes = new Map<string, number>();
const defects: { readonly index: number; readonly why: string }[] = [];
let slowest = { index: -1, ms: 0 };
let peak = 0;

/** Runs inputs [first, last) in a child and gives the index to go on with: `last`, or what follows an input that ended it. */
function batch(first: number, last: number): Promise<number> {
  return new Promise((done, failed) => {
    const child = fork(CHILD, [corpus, workspace.folder, String(seed), String(first), String(last)], {
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
      } else if (report.kind === 'defect') defect(report.index, report.why);
      else {
        ended = true;
        for (const [code, times] of report.codes) codes.set(code, (codes.get(code) ?? 0) + times);
        if (report.slowest.ms > slowest.ms) slowest = report.slowest;
        peak = Math.max(peak, report.peak);
      }
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (ended) return done(last);
      if (!begun) return failed(new Error(`the inputs could not be made: ${errors}`));
      defect(
        at,
        hung ? `no end after ${SILENCE_MS} ms` : `the process ended with ${signal ?? code}: ${errors}`,
      );
      done(at + 1);
    });
  });
}

function defect(index: number, why: string): void {
  defects.push({ index, why });
  console.error(`input ${index}: ${why}`);
}

const started = Date.now();
for (let at = from; at < from + count && defects.length < MAX_DEFECTS; ) {
  at = await batch(at, Math.min(at + BATCH, from + count));
  console.error(`${at - from} of ${count} inputs, ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
if (defects.length > 0) {
  mkdirSync(values.save, { recursive: true });
  const seeds = loadSeeds(corpus, workspace);
  for (const { index } of defects) {
    const { format, bytes } = makeInput(seeds, seed, index);
    writeFileSync(join(values.save, `seed-${seed}-${index}.${format}`), bytes);
  }
}
for (const [code, times] of [...codes].sort()) console.log(`${code.padEnd(10)} ${String(times).padStart(8)}`);
console.log(`seed ${seed}: ${count} inputs, ${defects.length} defects`);
console.log(
  `slowest: input ${slowest.index}, ${slowest.ms.toFixed(0)} ms; most memory: ${(peak / 1e6).toFixed(0)} MB`,
);
process.exitCode = defects.length > 0 ? 1 : 0;
