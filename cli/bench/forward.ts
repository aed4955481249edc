import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { NodeEp } from '../../src/backends/execution-providers.js';
import { makeInputs } from '../../src/backends/ort/inputs.js';
import { OrtSession } from '../../src/backends/ort/session.js';
import { threadsOf } from '../../src/backends/ort/session-settings.js';
import { feedOf } from '../../src/backends/ort/tensor.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { nodeTimes } from './profile.js';
import { median } from './turns.js';

/**
 * The process of one number: `forward.js REQUEST` runs a model on made inputs and prints a JSON line: the median of the runs after the first,
 * seconds, and the peak of resident memory, MB; or, with a profile, the time of each node.
 */
export interface ForwardRequest {
  readonly file: string;
  readonly dims: Readonly<Record<string, number>>;
  readonly runs: number;
  readonly threads: number;
  readonly ep: NodeEp;
  /** how the name of the file begins that ONNX Runtime writes its profile to; default none */
  readonly profile?: string;
}

const request = JSON.parse(process.argv[2]!) as ForwardRequest;
const { file, dims, runs, threads, ep, profile } = request;
const made = makeInputs(readModel(file), { dims: new Map(Object.entries(dims)) });
const feeds = Object.fromEntries([...made].map(([name, tensor]) => [name, feedOf(tensor)]));
const session = await OrtSession.open(file, {
  ep,
  ...threadsOf(threads),
  ...(profile === undefined ? {} : { profile }),
});
const times: number[] = [];
for (let run = 0; run <= runs; run++) {
  const start = performance.now();
  await session.run(feeds);
  times.push((performance.now() - start) / 1000);
}
await session.close();
if (profile === undefined) {
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ step_s: median(times.slice(1)), peak_mb: Math.round(peak) }));
} else {
  const folder = dirname(profile);
  const name = readdirSync(folder).find((own) => own.startsWith(basename(profile)))!;
  console.log(JSON.stringify([...nodeTimes(readFileSync(join(folder, name), 'utf8'))]));
}
