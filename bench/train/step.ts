import { readdirSync, readFileSync } from 'node:fs';
import { median } from '../../cli/bench/turns.js';
import { TrainingRun } from '../../src/train/run.js';
import { batchOf } from './feeds.js';

/**
 * One peer process: `step.js FOLDER STEPS BATCH SEQ VOCABULARY THREADS` takes steps of a training directory on random tokens
 * and prints a JSON line: the median of the steps after the first, seconds, and the peak of resident memory, MB, of this process and of
 * the one that runs the graphs.
 */
const [folder, steps, batch, seq, vocabulary, threads] = process.argv.slice(2) as [string, ...string[]];
const run = TrainingRun.open(folder, { threads: Number(threads) });
const data = batchOf(run.signature, { batch: Number(batch), seq: Number(seq) }, Number(vocabulary));
const times: number[] = [];
for (let step = 0; step <= Number(steps); step++) {
  const start = performance.now();
  // a step with a projection is that of several batches
  await (run.signature.changes ? run.accumulate([data], 1e-3) : run.step(data, 1e-3));
  times.push((performance.now() - start) / 1000);
}
const peak = [process.pid, ...children()].reduce((total, pid) => total + peakOf(pid), 0);
await run.close();
console.log(JSON.stringify({ step_s: median(times.slice(1)), peak_mb: Math.round(peak) }));

/** Linux alone says which processes a process started, and their peaks. */
function children(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** MB */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
