import { launchesOf } from '../../src/backends/host/tables.js';
import { lengthOf } from '../../src/backends/kernel/cost.js';
import { kernelOf } from '../../src/backends/kernel/families/kernels.js';
import { verifyKernel } from '../../src/backends/kernel/ir/verify.js';
import { illegal, type Problem, scheduleText } from '../../src/backends/kernel/schedule.js';
import type { KernelPlan, Launch, Product, Schedule, ScheduleRow } from '../../src/backends/kernel/types.js';

/** One kind of launch of a plan, and the schedules that are legal for it; the first is the one that it has. */
export interface TuningJob {
  readonly launch: Launch;
  readonly problem: Problem;
  readonly schedules: readonly Schedule[];
}

/**
 * The products of a plan that differ in family or lengths, each with the schedules of `tiles` that the device can run, `most`
 * at most: where there are more, every so manieth of them.
 */
export function jobsOf(
  plan: KernelPlan,
  tiles: (launch: Launch, problem: Problem) => readonly Schedule[],
  most: number,
): readonly TuningJob[] {
  const jobs = new Map<string, TuningJob>();
  for (const launch of launchesOf(plan)) {
    const { work, schedule } = launch;
    if (work.kind !== 'product' || work.chain) continue;
    const problem = problemOf(launch, work, plan.tokens);
    const key = JSON.stringify(problem);
    if (jobs.has(key)) continue;
    const legal = tiles(launch, problem).filter(
      (candidate) =>
        illegal(candidate, plan.device, problem).length === 0 &&
        scheduleText(candidate) !== scheduleText(schedule) &&
        verifyKernel(kernelOf({ ...launch, schedule: candidate }), plan.device).length === 0,
    );
    const others = Math.min(most - 1, legal.length);
    const kept = Array.from({ length: others }, (_, at) => legal[Math.floor((at * legal.length) / others)]!);
    jobs.set(key, { launch, problem, schedules: [schedule, ...kept] });
  }
  return [...jobs.values()];
}

/** The problem by which the planner looks up a row for this launch. */
function problemOf({ family }: Launch, work: Product, tokens: number): Problem {
  const bound = { M: tokens };
  return {
    family,
    dtype: work.segments[0]!.a.matrix.dtype,
    rows: lengthOf(work.rows, bound),
    cols: lengthOf(work.cols, bound),
    inner: work.segments.reduce((sum, { inner }) => sum + lengthOf(inner, bound), 0),
    ...(work.widen ? { widen: work.widen.rank } : {}),
  };
}

/**
 * Rows of the fastest schedules: one per job that has a time, for problems up to the next powers of two, the smallest first.
 * `times` of every schedule of every job, null for one that gave other numbers.
 */
export function tunedRows(
  target: string,
  jobs: readonly Pick<TuningJob, 'problem' | 'schedules'>[],
  times: readonly (readonly (number | null)[])[],
): readonly ScheduleRow[] {
  const upTo = (length: number) => 2 ** Math.ceil(Math.log2(length));
  const rows = jobs.flatMap(({ problem, schedules }, index) => {
    const { family, dtype, rows, cols, inner } = problem;
    const timed = times[index]!.flatMap((time, at) => (time === null ? [] : [{ time, at }]));
    const [first, ...rest] = timed;
    if (!first) return [];
    const { at } = rest.reduce((best, one) => (one.time < best.time ? one : best), first);
    const row: ScheduleRow = {
      target,
      dtype,
      family,
      bucket: `rows<=${upTo(rows)} cols<=${upTo(cols)} inner<=${upTo(inner)}`,
      schedule: schedules[at]!,
      source: 'tuned',
    };
    return [{ row, size: upTo(rows) * upTo(cols) * upTo(inner) }];
  });
  return rows.sort((a, b) => a.size - b.size).map(({ row }) => row);
}
