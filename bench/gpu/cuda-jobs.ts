import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CUDA } from '../../src/backends/host/cuda/back-end.js';
import { scheduleOf } from '../../src/backends/host/cuda/lower.js';
import { twinOf } from '../../src/backends/host/cuda/warpgroups.js';
import { fromFirstPlaces, PLACED, SharedKernels } from '../../src/backends/host/shared/kernels.js';
import { deviceOfArch } from '../../src/backends/kernel/device/find.js';
import { gridOf, kernelOf } from '../../src/backends/kernel/gen/kernels.js';
import { WARP } from '../../src/backends/kernel/ir/units.js';
import { BOX, mapLengths, type RingDecl, WARPGROUP_ROWS } from '../../src/backends/kernel/ir/warpgroups.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { AdaptedLayers } from '../../src/backends/kernel/model/layers.js';
import type {
  Extent,
  KernelDtype,
  KernelPlan,
  Launch,
  Operand,
  Product,
  TileSchedule,
} from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { lengthOf } from '../../src/backends/kernel/plan/cost.js';
import { type Problem, scheduleText } from '../../src/backends/kernel/plan/schedule.js';
import { ofWarpgroups, whyNoWarpgroups } from '../../src/backends/kernel/plan/warpgroup-schedule.js';
import { MATRIX_UNITS, MATRIX_UNITS_TEXT } from '../../src/backends/kernel/print/cuda/matrix-units.js';
import { printCuda } from '../../src/backends/kernel/print/cuda/print.js';
import { launchBytes, sharedPlaces } from '../../src/backends/kernel/print/cuda/shared-memory.js';
import { WARPGROUP_UNITS, warpgroupUnitsText } from '../../src/backends/kernel/print/cuda/warpgroup-units.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { jobsOf, type TuningJob } from './jobs.js';

/** Results of a warp, and how warps lie in a block, for matrix units. */
const WARP_TILES = [16, 32, 64].flatMap((TM) => [8, 16, 32, 64].map((TN) => [TM, TN] as const));
const WARPS = [1, 2, 4, 8].flatMap((down) => [1, 2, 4, 8].map((across) => [down, across] as const));
/** Results of a thread, and the tile of a block, for CUDA cores. */
const THREAD_TILES = [1, 2, 4, 8].flatMap((TM) => [1, 2, 4, 8].map((TN) => [TM, TN] as const));
const BLOCKS = [8, 16, 32, 64, 128].flatMap((BM) => [8, 16, 32, 64, 128].map((BN) => [BM, BN] as const));

/** Tiles for matrix units: 1 to 8 warps, 2 to 5 tiles in the ring. */
function unitTiles(schedule: TileSchedule, { rows, cols }: Problem): readonly TileSchedule[] {
  return WARP_TILES.flatMap(([TM, TN]) =>
    WARPS.filter(([down, across]) => down * across <= 8).flatMap(([down, across]) =>
      [16, 32, 64, 128].flatMap((BK) =>
        [2, 3, 4, 5].map((stages) => ({
          ...schedule,
          ...{ BM: TM * down, BN: TN * across, BK, TM, TN, stages, warps: down * across },
        })),
      ),
    ),
  ).filter(({ BM, BN }) => BM <= reach(rows, 16) && BN <= reach(cols, 8) && fills(BM, BN, rows, cols));
}

/** Tiles for warpgroups: 1 to 3 that multiply and one that loads, 2 to 8 tiles in the ring; each block by itself, and in pairs. */
function warpgroupTiles(planned: TileSchedule, { rows, cols }: Problem): readonly TileSchedule[] {
  const { pairs: _, ...schedule } = planned;
  return [1, 2, 3]
    .flatMap((groups) =>
      [1, 2, 3, 4].flatMap((boxes) =>
        [2, 3, 4, 5, 6, 8].flatMap((stages): readonly TileSchedule[] => {
          const [BM, BN] = [WARPGROUP_ROWS * groups, BOX * boxes];
          const tile = { BM, BN, BK: BOX, TM: WARPGROUP_ROWS, TN: BN, stages, warps: 4 * (groups + 1) };
          const alone = { ...schedule, ...tile, vec: 4 } as const;
          return boxes % 2 === 0 && rows > BM ? [alone, { ...alone, pairs: true }] : [alone];
        }),
      ),
    )
    .filter(({ BM, BN }) => BM <= reach(rows, WARPGROUP_ROWS) && BN <= reach(cols, BOX));
}

/** Tiles for CUDA cores: 64 to 256 threads, 3 or 4 tiles in the ring or none. */
function coreTiles(schedule: TileSchedule, { rows, cols }: Problem): readonly TileSchedule[] {
  return BLOCKS.flatMap(([BM, BN]) =>
    THREAD_TILES.filter(([TM, TN]) => TM <= BM && TN <= BN).flatMap(([TM, TN]) =>
      [8, 16, 32].flatMap((BK) =>
        ([1, 3, 4] as const).map((stages) => ({
          ...schedule,
          ...{ BM, BN, BK, TM, TN, stages, vec: stages > 1 ? (4 as const) : (1 as const), warps: 0 },
        })),
      ),
    ),
  ).filter(({ BM, BN, TM, TN }) => {
    const threads = (BM / TM) * (BN / TN);
    return (
      threads >= 64 &&
      threads <= 256 &&
      BM <= reach(rows, 8) &&
      BN <= reach(cols, 8) &&
      fills(BM, BN, rows, cols)
    );
  });
}

/** A tile beyond the next power of two has nothing to do there. */
const reach = (length: number, least: number): number => Math.max(least, 2 ** Math.ceil(Math.log2(length)));

/** Small tiles read a large problem too often: half of a million results and more want 64 x 64 in a block. */
const fills = (BM: number, BN: number, rows: number, cols: number): boolean =>
  rows * cols < 1 << 19 || BM * BN >= Math.min(64 * 64, reach(rows, 16) * 64, 64 * reach(cols, 8));

/** The launch that is written for a candidate. */
const withSchedule = (launch: Launch, schedule: TileSchedule): Launch =>
  ofWarpgroups(schedule) ? twinOf(launch, schedule) : { ...launch, schedule };

/**
 * The products of a plan for CUDA with their candidates: schedules that are written as they are.
 * Split sums keep their parts. Products that are planned for warpgroups have tiles for these, others of few rows have both kinds.
 */
export function cudaJobs(plan: KernelPlan, most: number): readonly TuningJob[] {
  const taken = ({ work, schedule }: Launch) =>
    work.kind === 'product' && whyNoWarpgroups(work, schedule) === null;
  const lower = (launches: readonly Launch[]): Launch[] =>
    launches
      // what warpgroups do not take would get a row that comes before theirs
      .filter((launch) => !ofWarpgroups(launch.schedule) || taken(launch))
      .map((launch) => (taken(launch) ? launch : { ...launch, schedule: scheduleOf(launch, plan.device) }));
  const lowered = {
    ...plan,
    prologue: lower(plan.prologue),
    regions: plan.regions.map((region) => ({
      ...region,
      forward: lower(region.forward),
      backward: lower(region.backward),
    })),
    epilogue: lower(plan.epilogue),
  };
  const of = ({ schedule }: Launch, problem: Problem) => {
    if (ofWarpgroups(schedule)) return warpgroupTiles(schedule, problem);
    if (schedule.warps === 0) return coreTiles(schedule, problem);
    const units = unitTiles(schedule, problem);
    const groups = problem.family === 'gemm' ? warpgroupTiles(schedule, problem) : [];
    if (!plan.device.features.includes('wgmma') || groups.length === 0) return units;
    // a quarter is for warpgroups; an odd step, because there are four stages and four BK for each tile
    const step = Math.ceil(units.length / (3 * groups.length)) | 1;
    return [...units.filter((_, at) => at % step === 0), ...groups];
  };
  const fits = (candidate: Launch) =>
    ofWarpgroups(candidate.schedule)
      ? taken(candidate)
      : scheduleText(scheduleOf(candidate, plan.device)) === scheduleText(candidate.schedule) &&
        sharedPlaces(kernelOf(candidate).arrays).bytes <= plan.device.workgroupBytes;
  return jobsOf(lowered, { of, fits }, most);
}

/** A job as the script for the GPU machine reads it: numbers instead of the names of lengths. */
export function jobJson({ launch: planned, problem, schedules }: TuningJob, plan: KernelPlan, index: number) {
  const launch = fromFirstPlaces(planned, PLACED.byPointer);
  const work = launch.work as Product;
  const n = (extent: Extent) => lengthOf(extent, { M: plan.tokens });
  const operand = ({ matrix, transposed }: Operand) => ({
    buffer: matrix.buffer,
    offset: matrix.offset,
    strides: transposed ? [1, n(matrix.rowStride)] : [n(matrix.rowStride), 1],
  });
  const { scale, bias, residual, activation, accumulate } = work.epilogue;
  const kernel = kernelOf(withSchedule(launch, launch.schedule));
  return {
    label: `${launch.does}: ${problem.rows} x ${problem.inner} x ${problem.cols}`,
    problem,
    tokens: plan.tokens,
    rounded: kernel.fragments?.[0]?.type ?? kernel.ring?.type ?? 'f32',
    buffers: kernel.buffers.map(({ name, elem, access }) => ({
      name,
      elem,
      read: access === 'read',
      elements: plan.buffers
        .find((buffer) => buffer.name === name)!
        .shape.reduce<number>((size, extent) => size * n(extent), 1),
    })),
    uniforms: kernel.uniforms.map(({ name }) => n(name)),
    work: {
      rows: n(work.rows),
      cols: n(work.cols),
      parts: work.parts,
      segments: work.segments.map(({ a, b, inner }) => ({ a: operand(a), b: operand(b), inner: n(inner) })),
      widen: work.widen && {
        rank: work.widen.rank,
        scale: work.widen.scale,
        down: operand(work.widen.down),
        up: operand(work.widen.up),
      },
      scale,
      bias: bias && { buffer: bias.buffer, offset: bias.offset },
      residual: residual && operand({ matrix: residual, transposed: false }),
      activation,
      accumulate,
      out: operand({ matrix: work.out, transposed: false }),
    },
    candidates: schedules.map((schedule, at) => {
      const candidate = withSchedule(launch, schedule);
      const own = kernelOf(candidate);
      const together = own.ring?.pair ? 2 : 1;
      const [across, down, parts] = gridOf(candidate, { M: plan.tokens });
      return {
        schedule,
        text: scheduleText(schedule),
        kernel: own.name,
        file: `kernels/${index}-${at}.cu`,
        // of a ring for warpgroups: at most as many blocks as there are multiprocessors, in pairs where they are, which compute one tile after another
        grid: own.ring ? [across * together * Math.ceil(down / together), 1, 1] : [across, down, parts],
        persistent: own.ring !== undefined,
        together,
        threads: own.workgroup[0],
        sharedBytes: own.ring ? launchBytes(own) : sharedPlaces(own.arrays).bytes,
        launchBytes: launchBytes(own),
        // parameters, in order: maps, pointers, numbers
        maps: (own.maps ?? []).map((map) => ({
          buffer: map.view.buffer,
          ...mapLengths(map, { M: plan.tokens }),
        })),
        pointers: own.buffers.filter(({ mapped }) => !mapped).map(({ name }) => name),
      };
    }),
  };
}

/** Writes the kernels of all candidates and jobs.json below a folder; says how many. */
export function writeJobs(tuned: readonly KernelPlan[], most: number, folder: string) {
  mkdirSync(join(folder, 'kernels'), { recursive: true });
  writeFileSync(join(folder, 'kernels', MATRIX_UNITS), MATRIX_UNITS_TEXT);
  const seen = new Set<string>();
  const rings: RingDecl[] = [];
  const all = tuned.flatMap((plan) => cudaJobs(plan, most).map((job) => ({ job, plan })));
  const jobs = all
    .filter(({ job: { problem } }) => !seen.has(JSON.stringify(problem)) && seen.add(JSON.stringify(problem)))
    .map(({ job, plan }, index) => {
      const json = jobJson(job, plan, index);
      for (const { file, schedule } of json.candidates) {
        // as it is emitted: buffers are named by what they are
        const { kernel } = new SharedKernels(PLACED.byPointer).of(withSchedule(job.launch, schedule));
        if (kernel.ring) rings.push(kernel.ring);
        writeFileSync(join(folder, file), printCuda([kernel]));
      }
      return json;
    });
  writeFileSync(join(folder, 'kernels', WARPGROUP_UNITS), warpgroupUnitsText(rings));
  const { target } = tuned[0]!.device;
  writeFileSync(
    join(folder, 'jobs.json'),
    `${JSON.stringify({ version: 1, target, warp: WARP, jobs }, null, 1)}\n`,
  );
  return { jobs: jobs.length, candidates: jobs.reduce((sum, { candidates }) => sum + candidates.length, 0) };
}

/** Plans of a model, whose launches are tuned. */
export function tunedPlans(
  contraction: AdaptedLayers,
  given: {
    readonly arch: string;
    readonly dtype: KernelDtype;
    readonly tokens: readonly number[];
    readonly purpose: 'train' | 'serve';
    readonly tf32: boolean;
  },
): readonly KernelPlan[] {
  const { dtype, purpose, tf32 } = given;
  const device = deviceOfArch(given.arch, CUDA.devices);
  const rounding = tf32 ? ({ rounding: 'tf32' } as const) : {};
  return given.tokens.map((tokens) =>
    choose(contraction, { device, tokens, purpose, dtype, ...rounding, strategy: 'split' }),
  );
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      arch: { type: 'string', default: 'sm_90a' },
      dtype: { type: 'string', default: 'bf16' },
      tf32: { type: 'boolean', default: false },
      tokens: { type: 'string', default: '1024' },
      for: { type: 'string', default: 'train' },
      most: { type: 'string', default: '40' },
      output: { type: 'string', short: 'o', default: 'candidates' },
    },
  });
  const [path] = positionals;
  if (!path) throw new Error('usage: cuda-jobs.js MODEL [--arch A] [--dtype T] [--tokens N,...] -o FOLDER');
  const tuned = tunedPlans(contract(readModel(path), { packed: true }), {
    arch: values.arch,
    dtype: (['f32', 'f16', 'bf16'] as const).find((name) => name === values.dtype) ?? 'bf16',
    tokens: values.tokens.split(',').map(Number),
    purpose: values.for === 'serve' ? 'serve' : 'train',
    tf32: values.tf32,
  });
  const { jobs, candidates } = writeJobs(tuned, Number(values.most), values.output);
  console.log(`${candidates} candidates for ${jobs} products`);
}

if (process.argv[1] === import.meta.filename) main();
