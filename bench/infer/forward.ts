import { OrtSession } from '../../src/backends/ort/session.js';
import { median } from '../measure.js';

/**
 * One process: `forward.js FILE RUNS BATCH SEQ THREADS` runs a model on tokens and prints a JSON line: the median of the runs after
 * the first, seconds, and the peak of resident memory, MB.
 */
const [file, runs, batch, seq, threads] = process.argv.slice(2) as [string, ...string[]];
const session = await OrtSession.open(file, { threads: Number(threads) });
const dims = [Number(batch), Number(seq)] as const;
const ids = BigInt64Array.from({ length: dims[0] * dims[1] }, (_, i) => BigInt(5 + ((i * 7919) % 30000)));
const feeds = {
  input_ids: { type: 'int64', dims, data: ids },
  attention_mask: { type: 'int64', dims, data: ids.map(() => 1n) },
};
const times: number[] = [];
for (let run = 0; run <= Number(runs); run++) {
  const start = performance.now();
  await session.run(feeds);
  times.push((performance.now() - start) / 1000);
}
await session.close();
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ step_s: median(times.slice(1)), peak_mb: Math.round(peak) }));
