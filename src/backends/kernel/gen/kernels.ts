import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import type { Kernel } from '../ir/kir.js';
import type { Launch, TileSchedule } from '../model/types.js';
import { lengthOf } from '../plan/cost.js';
import { ringOfCores, SCALAR_TILE } from '../plan/schedule.js';
import { siText } from '../plan/unit-text.js';
import { launchedInVectors } from '../plan/vectors.js';
import { ofWarpgroups, unpaired } from '../plan/warpgroup-schedule.js';
import { coreProductKernel } from './core-product.js';
import { einsumGrid, einsumKernel } from './einsum.js';
import { finishKernel } from './finish.js';
import { gemvKernel } from './gemv.js';
import { laneProductKernel } from './lane-product.js';
import { matrixProductKernel } from './matrix-product.js';
import { productKernel } from './product.js';
import { reduceGroups, reduceKernel } from './reduce.js';
import { rowDownKernel, rowGroups, rowUpKernel } from './rows.js';
import { unitProductKernel } from './unit-product.js';
import { vectorProductKernel } from './vector-product.js';
import { warpgroupProductKernel } from './warpgroup-product.js';

/**
 * The kernel of a launch: for matrix units where its schedule has warps, of warpgroups where it is one of those, with
 * its inner dimension spread over subgroups, or for the matrices of subgroups, where it says so, in vectors where it says so and rows of all matrices are whole
 * vectors. Throws LOTR6101 for a launch without a kernel: a call of
 * the vendor's library, a product that matrix units do not support (pass it through `scalarSchedule` first), or a sum
 * in parts with subgroups.
 */
export function kernelOf(launch: Launch): Kernel {
  if (launch.family === 'blas')
    return fail(refused({ launch: launch.name, why: "it is a call of the vendor's library" }));
  const kernel = bare(launch);
  const { flops, bytes } = launch.predicted;
  const line = `Predicted by the plan: ${siText(flops, 'FLOP')}, ${siText(bytes, 'B')} to and from memory.`;
  return flops > 0 ? { ...kernel, about: [...kernel.about, line] } : kernel;
}

function bare(launch: Launch): Kernel {
  if (launch.work.kind === 'reduce') return reduceKernel(launch);
  if (launch.work.kind === 'einsum') return einsumKernel(launch);
  if (launch.work.kind === 'finish') return finishKernel(launch);
  if (launch.work.kind === 'row-down') return rowDownKernel(launch, launch.work);
  if (launch.work.kind === 'row-up') return rowUpKernel(launch, launch.work);
  if (launch.schedule.subgroups) return laneProductKernel(launch);
  if (launch.schedule.gemv) return gemvKernel(launch);
  if (launch.schedule.matrix) return matrixProductKernel(launch);
  if (ofWarpgroups(launch.schedule)) return warpgroupProductKernel(launch);
  if (launch.schedule.warps > 0) return unitProductKernel(launch);
  if (ringOfCores(launch.schedule)) return coreProductKernel(launch);
  return launchedInVectors(launch) ? vectorProductKernel(launch) : productKernel(launch);
}

/** Workgroups of a launch along x, y and z, for bound lengths. */
export function gridOf(
  launch: Launch,
  bound: Readonly<Record<string, number>>,
): readonly [number, number, number] {
  const { work, schedule } = launch;
  if (work.kind === 'einsum') return einsumGrid(launch);
  if (work.kind === 'reduce') return [reduceGroups(work.jobs, schedule.BM), 1, 1];
  if (work.kind === 'row-down' || work.kind === 'row-up')
    return [rowGroups(work, schedule), lengthOf(work.rows, bound), 1];
  if (work.kind === 'finish')
    return [Math.ceil(work.cols / schedule.BN), Math.ceil(lengthOf(work.rows, bound) / schedule.BM), 1];
  const [rows, cols] = [
    lengthOf(work.rows, bound),
    lengthOf(work.chain ? Math.max(1, schedule.BN) : work.cols, bound),
  ];
  return [Math.ceil(cols / schedule.BN), Math.ceil(rows / schedule.BM), work.parts];
}

/**
 * The nearest schedule without matrix units and copy pipeline: as many invocations as it had, fewer results each where a
 * tile would not be divided, and a shorter stretch of the inner dimension so that f32 tiles fit in `bytes`.
 */
export function scalarSchedule(schedule: TileSchedule, bytes: number): TileSchedule {
  if (schedule.warps === 0 && !ringOfCores(schedule)) return { ...schedule, vec: 1 };
  const [BM, BN] = [Math.min(schedule.BM, SCALAR_TILE), Math.min(schedule.BN, SCALAR_TILE)];
  const [TM, TN] = [BM >= SCALAR_TILE ? 4 : 1, BN >= 16 ? 4 : 1];
  let BK = Math.min(schedule.BK, 32);
  while (BK > 1 && BK * (BM + BN) * 4 > bytes) BK /= 2;
  return { ...unpaired(schedule), BM, BN, BK, TM, TN, vec: 1, stages: 1, warps: 0 };
}
