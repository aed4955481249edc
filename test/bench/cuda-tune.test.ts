import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cudaJobs, jobJson, tunedPlans, writeJobs } from '../../bench/gpu/cuda-jobs.js';
import { type JobsFile, rowsText } from '../../bench/gpu/cuda-rows.js';
import { tunedRows } from '../../bench/gpu/jobs.js';
import { layersModel } from '../../bench/gpu/layers.js';
import { gridOf, kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { KernelPlan, Launch, Product } from '../../src/backends/kernel/model/types.js';
import { scheduleText } from '../../src/backends/kernel/plan/schedule.js';
import { parseSchedules } from '../../src/backends/kernel/plan/schedule-file.js';
import { ofWarpgroups } from '../../src/backends/kernel/plan/warpgroup-schedule.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { lotrc } from '../support/cli.js';
import { everyNth } from '../support/everything.js';
import { worstError } from '../support/kernel-run.js';
import { interpret } from '../support/kernel-sim/interpret.js';
import { casesOf } from '../support/plan-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-tune-'));
afterAll(() => rmSync(folder, { recursive: true }));

const model = layersModel({ in: 40, out: 24, layers: 3, rank: 5, method: 'lotr', bias: true });
const contraction = contract(model);
const HOPPER = { arch: 'sm_90a', purpose: 'train', tf32: false, dtype: 'bf16' } as const;
const setting = { arch: 'sm_80', tokens: [300], purpose: 'train', tf32: false } as const;

test('generated layers read one x and are one region', () => {
  expect(contraction.regions.map(({ layers }) => layers.length)).toEqual([3]);
  expect(contraction.skipped).toEqual([]);
});

/** The plan with one launch. */
function alone(plan: KernelPlan, launch: Launch): KernelPlan {
  const [region] = plan.regions;
  return { ...plan, prologue: [], epilogue: [], regions: [{ ...region!, forward: [launch], backward: [] }] };
}

/** Everything but bfloat16 is stored in these cases as it is read: operands of 16 bits are rounded by the interpreter. */
const KINDS = [
  ['f32', false, 2e-6],
  ['f32', true, 2e-3],
  ['bf16', false, 1e-2],
] as const;

test.each(KINDS)(
  'every candidate in %s (tf32: %s) agrees with float64 and is legal',
  { timeout: 300_000 },
  (dtype, tf32, bound) => {
    const [tuned] = tunedPlans(contraction, { ...setting, tokens: [13], dtype, tf32 });
    const plan = tuned!;
    const jobs = cudaJobs(plan, 5);
    const units = jobs.filter(({ schedules }) => schedules.some(({ warps }) => warps > 0));
    expect(units.length > 0).toBe(dtype !== 'f32' || tf32);
    for (const { launch, schedules } of jobs) {
      expect(schedules.length).toBeGreaterThan(2);
      // in CI all of them
      for (const schedule of everyNth(4, schedules)) {
        const own = { ...launch, schedule };
        const [one] = casesOf(alone(plan, own));
        const buffers = Object.fromEntries(
          Object.entries(one!.buffers).map(([name, data]) => [name, data.slice()]),
        );
        interpret(kernelOf(own), { buffers, uniforms: one!.bound, grid: gridOf(own, one!.bound) });
        expect(worstError(buffers[one!.out]!, one!.expected), JSON.stringify(own)).toBeLessThan(bound);
      }
    }
  },
);

test('products for warpgroups have candidates of theirs, those of few rows of both kinds; all agree with float64', {
  timeout: 300_000,
}, () => {
  const tuned = (tokens: number) => tunedPlans(contraction, { ...HOPPER, tokens: [tokens] })[0]!;
  for (const tokens of [70, 13]) {
    const plan = tuned(tokens);
    const jobs = cudaJobs(plan, 40).filter(({ problem }) => problem.family === 'gemm');
    // y and dx
    expect(jobs.length).toBe(2);
    for (const { launch, schedules } of jobs) {
      const groups = schedules.filter(ofWarpgroups);
      expect(groups.length > 0 && groups.length < schedules.length).toBe(tokens === 13);
      if (tokens === 70) expect(new Set(groups.map(({ BM }) => BM))).toEqual(new Set([64, 128]));
      for (const schedule of everyNth(4, groups)) {
        const [one] = casesOf(alone(plan, { ...launch, schedule }));
        const { buffers } = one!;
        interpret(kernelOf(one!.launch), {
          buffers,
          uniforms: one!.bound,
          grid: gridOf(one!.launch, one!.bound),
        });
        expect(worstError(buffers[one!.out]!, one!.expected), scheduleText(schedule)).toBeLessThan(1e-2);
      }
    }
  }
});

test('a job for warpgroups says in numbers what its maps are of, and in which order its parameters come', () => {
  const [plan] = tunedPlans(contraction, { ...HOPPER, tokens: [300] }) as [KernelPlan];
  const jobs = cudaJobs(plan, 2);
  const at = jobs.findIndex(({ schedules }) => ofWarpgroups(schedules[0]!));
  const job = jobs[at]!;
  const paired = { ...job.schedules[0]!, BN: 128, TN: 128, stages: 6, pairs: true } as const;
  const { candidates, rounded } = jobJson({ ...job, schedules: [paired] }, plan, at);
  const { schedule, ...first } = candidates[0]!;
  expect(rounded).toBe('bf16');
  expect(first.kernel).toMatch(/_warpgroups$/);
  expect(first.persistent).toBe(true);
  // 300 rows in blocks of 128, the last of them without rows for a pair, and all 24 columns in one
  expect([schedule.BM, schedule.pairs, first.grid, first.together]).toEqual([128, true, [4, 1, 1], 2]);
  expect(first.maps[0]).toEqual({ buffer: 'x_0', offset: 0, rows: 300, cols: 40, pitch: 40, box: 128 });
  expect(first.maps.map(({ buffer }) => buffer)).toEqual([
    'x_0',
    'W_0',
    expect.stringMatching(/^P/),
    expect.stringMatching(/^Lp/),
    'y_0',
  ]);
  expect(first.pointers).toEqual(['b_0']);
  expect(first.launchBytes).toBeGreaterThan(48 << 10);
});

test('a job says in numbers what its product reads and writes', () => {
  const [plan] = tunedPlans(contraction, { ...setting, dtype: 'bf16' }) as [KernelPlan];
  const jobs = cudaJobs(plan, 2);
  const at = jobs.findIndex(({ launch }) => (launch.work as Product).segments.length === 2);
  const { work, buffers, uniforms, candidates } = jobJson(jobs[at]!, plan, at);
  expect(work.segments.map(({ inner }) => inner)).toEqual([40, 5]);
  expect(work.segments[1]!.b.strides).toEqual([24, 1]);
  expect(work.bias).toEqual({ buffer: 'b_0', offset: 0 });
  expect(buffers.find(({ name }) => name === 'x_0')).toEqual({
    name: 'x_0',
    elem: 'bf16',
    read: true,
    elements: 300 * 40,
  });
  expect(uniforms).toEqual([300]);
  expect(candidates[0]!.grid).toEqual([1, Math.ceil(300 / candidates[0]!.schedule.BM), 1]);
});

test.each(['sm_80', 'sm_90a'])(
  'lotrc emit cuda --schedules takes the rows of a tuned result and writes these tiles, %s',
  async (arch) => {
    const file = join(folder, `layers-${arch}.onnx`);
    writeModel(model, file);
    const own = join(folder, arch);
    writeJobs(tunedPlans(contraction, { ...setting, arch, dtype: 'bf16' }), 3, join(own, 'jobs'));
    const jobs = JSON.parse(readFileSync(join(own, 'jobs/jobs.json'), 'utf8')) as JobsFile;
    // the second is the fastest, the third gave other numbers
    const times = jobs.jobs.map(({ candidates }) => candidates.map((_, k) => [3e-3, 1e-3, null][k]!));
    const schedules = join(own, 'schedules.json');
    writeFileSync(schedules, rowsText(jobs, times));
    expect(parseSchedules(readFileSync(schedules, 'utf8'), schedules, ['sm_80', 'sm_90a'])).toHaveLength(
      jobs.jobs.length,
    );
    const emit = (out: string, ...more: readonly string[]) =>
      lotrc('emit', 'cuda', file, '-o', join(own, out), '--tokens', '300', '--arch', arch, ...more);
    const options = ['--dtype', 'bf16', '--form', 'split'];
    expect(await emit('tuned', ...options, '--schedules', schedules)).toMatchObject({ code: 0, err: '' });
    for (const { candidates } of jobs.jobs) {
      const { kernel, file: text } = candidates[1] as unknown as {
        readonly kernel: string;
        readonly file: string;
      };
      const timed = readFileSync(join(own, 'jobs', text), 'utf8');
      const written = readFileSync(join(own, 'tuned/kernels', `${kernel}.cu`), 'utf8');
      // schedules say nothing about the launch after it
      expect(written.replace(/#include "launches.cuh"\n|^ +release_next\(\);\n/gm, ''), kernel).toBe(timed);
    }
  },
);

test('a schedule without a time is never chosen, and a product without any has no row', () => {
  const [tuned] = tunedPlans(contraction, { ...setting, dtype: 'f32' });
  const [one, two] = cudaJobs(tuned!, 3);
  const rows = tunedRows(
    'sm_80',
    [one!, two!],
    [
      [null, 2e-3, 1e-3],
      [null, null, null],
    ],
  );
  expect(rows.map(({ schedule }) => schedule)).toEqual([one!.schedules[2]]);
});
