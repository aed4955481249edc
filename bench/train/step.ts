import { TrainingRun } from '../../src/train/run.js';
import { median } from '../measure.js';
import { batchOf } from './feeds.js';

/**
 * One peer process: `step.js FOLDER STEPS BATCH SEQ VOCABULARY THREADS` takes steps of a training directory on random tokens
 * and prints a JSON line: the median of the steps after the first, seconds, and the peak of resident memory, MB.
 */
const [folder, steps, batch, seq, vocabulary, threads] = process.argv.slice(2) as [string, ...string[]];
const run = TrainingRun.open(folder, { threads: Number(threads), inProcess: true });
const data = batchOf(run.signature, { batch: Number(batch), seq: Number(seq) }, Number(vocabulary));
const times: number[] = [];
for (let step = 0; step <= Number(steps); step++) {
  const start = performance.now();
  await run.step(data, 1e-3);
  times.push((performance.now() - start) / 1000);
}
await run.close();
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ step_s: median(times.slice(1)), peak_mb: Math.round(peak) }));
