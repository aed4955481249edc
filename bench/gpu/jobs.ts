import { launchesOf } from '../../src/backends/host/shared/tables.js';
import { kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../src/backends/kernel/ir/verify.js';
import type {
  KernelPlan,
  Launch,
  Product,
  ScheduleRow,
  TileSchedule,
} from '../../src/backends/kernel/model/types.js';
import { lengthOf } from '../../src/backends/kernel/plan/cost.js';
import { illegal, type Problem, scheduleText } from '../../src/backends/kernel/plan/schedule.js';
import { allInVectors } from '../../src/backends/kernel/plan/vectors.js';

/** One kind of launch of a plan, and the schedules that are legal for it; the first is the one that it has. */
export interface TuningJob {
  readonly launch: Launch;
  readonly problem: Problem;
  readonly schedules: readonly TileSchedule[];
}

/** Candidates of a launch: tiles to try, and which of them its kernel can be written for. */
export interface TileChoices {
  readonly of: (launch: Launch, problem: Problem) => readonly TileSchedule[];
  readonly fits?: (candidate: Launch) => boolean;
}

/**
 * The products of a plan that differ in family or lengths, each with the schedules of `tiles` that the device can run, `most`
 * at most: where there are more, some from all over the list.
 */
export function jobsOf(plan: KernelPlan, tiles: TileChoices, most: number): readonly TuningJob[] {
  const jobs = new Map<string, TuningJob>();
  for (const launch of launchesOf(plan)) {
    const { work, schedule } = launch;
    if (work.kind !== 'product' || work.chain) continue;
    const problem = problemOf(launch, work, plan.tokens);
    const key = JSON.stringify(problem);
    if (jobs.has(key)) continue;
    const open = tiles
      .of(launch, problem)
      .filter(
        (candidate) =>
          illegal(candidate, plan.device, problem).length === 0 &&
          scheduleText(candidate) !== scheduleText(schedule),
      );
    const kept = new Set<TileSchedule>();
    // kernels are made and verified of those that are taken only
    for (const candidate of spread(open, most - 1)) {
      if (kept.size === most - 1) break;
      const own = { ...launch, schedule: candidate };
      if (tiles.fits && !tiles.fits(own)) continue;
      if (verifyKernel(kernelOf(own), plan.device).length === 0) kept.add(candidate);
    }
    jobs.set(key, { launch, problem, schedules: [schedule, ...open.filter((one) => kept.has(one))] });
  }
  return [...jobs.values()];
}

/** All of a list, so that the first `count` come from all over it. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  const step = Math.max(1, list.length / Math.max(1, count));
  const first = new Set(
    Array.from({ length: Math.ceil(list.length / step) }, (_, at) => Math.floor(at * step)),
  );
  return [...list.filter((_, at) => first.has(at)), ...list.filter((_, at) => !first.has(at))];
}

/** The problem by which the planner looks up a row for this launch. */
function problemOf({ family }: Launch, work: Product, tokens: number): Problem {
  const bound = { M: tokens };
  return {
    family,
    dtype: work.rounding ? 'tf32' : work.segments[0]!.a.matrix.dtype,
    rows: lengthOf(work.rows, bound),
    cols: lengthOf(work.cols, bound),
    inner: work.segments.reduce((sum, { inner }) => sum + lengthOf(inner, bound), 0),
    ...(work.widen ? { widen: work.widen.rank } : {}),
    vectors: allInVectors(work),
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
