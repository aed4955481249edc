import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WEBGPU_LAPTOP } from '../../src/backends/kernel/device/webgpu-laptop.js';
import { gridOf, kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { KernelPlan, Launch, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { scheduleText } from '../../src/backends/kernel/plan/schedule.js';
import { schedulesJson } from '../../src/backends/kernel/plan/schedule-file.js';
import { printWgsl } from '../../src/backends/kernel/print/wgsl/print.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { answerOf } from './browser.js';
import { jobsOf, type TuningJob, tunedRows } from './jobs.js';

/** Tiles to try: what other projects found good on some device, from small to large. */
const TILES = [
  [8, 8, 8, 2, 2, 1],
  [16, 16, 8, 2, 2, 1],
  [16, 64, 16, 2, 4, 4],
  [32, 32, 8, 4, 4, 4],
  [32, 32, 16, 4, 4, 4],
  [32, 64, 16, 4, 4, 4],
  [64, 32, 16, 4, 4, 4],
  [64, 64, 8, 4, 4, 4],
  [64, 64, 16, 4, 4, 4],
  [64, 64, 16, 8, 4, 4],
  [64, 16, 16, 4, 1, 1],
  [128, 16, 8, 8, 1, 1],
] as const;

/** The products of a plan for WebGPU, each with its candidates. */
export function tuningJobs(plan: KernelPlan, most: number = TILES.length): readonly TuningJob[] {
  const of = ({ schedule: { gemv: _, ...schedule } }: Launch) =>
    TILES.map(([BM, BN, BK, TM, TN, vec]): TileSchedule => ({ ...schedule, BM, BN, BK, TM, TN, vec }));
  return jobsOf(plan, { of }, most);
}

/** What the page is asked to time. */
export function pageJob(plan: KernelPlan, jobs: readonly TuningJob[], rounds: number, repeats: number) {
  const elements = new Map(
    plan.buffers.map(({ name, shape }) => [
      name,
      shape.reduce<number>((size, extent) => size * (typeof extent === 'string' ? plan.tokens : extent), 1),
    ]),
  );
  return {
    rounds,
    repeats,
    jobs: jobs.map(({ launch, problem, schedules }) => {
      const kernels = schedules.map((schedule) => ({ ...launch, schedule }));
      const first = kernelOf(launch);
      return {
        label: `${launch.does}: ${problem.rows} x ${problem.inner} x ${problem.cols}, ${schedules.length} schedules`,
        buffers: first.buffers.map(({ name }) => ({ name, elements: elements.get(name)! })),
        uniforms: first.uniforms.map(() => plan.tokens),
        out: first.buffers.find(({ access }) => access !== 'read')!.name,
        candidates: kernels.map((candidate) => {
          const kernel = kernelOf(candidate);
          return {
            code: printWgsl(kernel),
            bindings: kernel.buffers.map(({ name }) => name),
            grid: gridOf(candidate, { M: plan.tokens }),
          };
        }),
      };
    }),
  };
}

/** The plan whose launches are tuned. */
export function planOf(model: Model, tokens: number, purpose: 'train' | 'serve'): KernelPlan {
  const device = WEBGPU_LAPTOP;
  return choose(contract(model), { device, tokens, purpose, dtype: 'f32' });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tokens: { type: 'string', default: '1024' },
      for: { type: 'string', default: 'train' },
      output: { type: 'string', short: 'o', default: 'schedules.json' },
      chromium: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      repeats: { type: 'string', default: '20' },
    },
  });
  const [path] = positionals;
  const purpose = values.for === 'serve' ? 'serve' : 'train';
  if (!path)
    throw new Error(
      'usage: npm run tune:webgpu -- MODEL [--tokens N] [--for train|serve] [-o FILE] [--chromium PATH]',
    );
  const plan = planOf(readModel(path), Number(values.tokens), purpose);
  const jobs = tuningJobs(plan);
  const job = pageJob(plan, jobs, Number(values.rounds), Number(values.repeats));
  const script = readFileSync(join(import.meta.dirname, '../../../bench/gpu/tune-page.mjs'), 'utf8');
  const how = values.chromium
    ? { browser: values.chromium }
    : { open: (address: string) => console.log(`open ${address} in the browser to be tuned`) };
  const { times, device } = (await answerOf({ script, job }, how)) as {
    readonly times: readonly (readonly (number | null)[])[];
    readonly device: string;
  };
  console.log(`device: ${device}`);
  for (const [index, { label }] of job.jobs.entries()) {
    console.log(label);
    for (const [at, schedule] of jobs[index]!.schedules.entries()) {
      const time = times[index]![at];
      const shown =
        typeof time === 'number' ? `${(time * 1e6).toFixed(1)} us` : 'other numbers than the first: left out';
      console.log(`  ${scheduleText(schedule).padEnd(40)} ${shown}${at === 0 ? '  (as planned)' : ''}`);
    }
  }
  writeFileSync(values.output, schedulesJson(tunedRows(plan.device.target, jobs, times)));
  console.log(`wrote ${values.output}: give it to lotrc emit wgsl with --schedules`);
}

if (process.argv[1] === import.meta.filename) await main();
