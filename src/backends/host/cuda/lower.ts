import { bytesOfEach } from '../../kernel/device/blocks.js';
import { leastOf } from '../../kernel/device/cuda-devices.js';
import { scalarSchedule } from '../../kernel/gen/kernels.js';
import { unitSchedule, unitTypeOf } from '../../kernel/gen/unit-schedule.js';
import type { DeviceProfile, KernelPlan, Launch, TileSchedule } from '../../kernel/model/types.js';
import { whyNoWarpgroups } from '../../kernel/plan/warpgroup-schedule.js';
import { DECLARED_BYTES } from '../../kernel/print/cuda/shared-memory.js';
import { ProductCuts } from './cut.js';

/** Blocks with matrix units on a multiprocessor: one multiplies while the other waits, or stores its results. */
const BLOCKS_AT_ONCE = 2;

/**
 * The plan as it is emitted: products of too few blocks are cut into parts (ProductCuts), and schedules are those of the
 * kernels: matrix units (mma.sync) for products of narrow operands and, with `tf32`, for the float32 products over tokens;
 * CUDA cores for the rest. Products of factors alone in float32 stay exact.
 * Kernels run on devices of all `architectures`. With sm_90a among them a product whose planned schedule is one of warpgroups keeps
 * it, for devices that have warpgroups.
 */
export function loweredPlan(
  plan: KernelPlan,
  tf32: boolean,
  architectures: readonly string[] = [],
): KernelPlan {
  const least = leastOf(plan.device, architectures);
  const warpgroups = architectures.includes('sm_90a');
  const lower = (launches: readonly Launch[], rounds: boolean) =>
    launches.map((launch): Launch => {
      const lowered = { ...launch, schedule: scheduleOf(launch, least, rounds) };
      const { work, schedule } = launch;
      const keeps = warpgroups && work.kind === 'product' && whyNoWarpgroups(work, schedule) === null;
      return keeps ? { ...lowered, warpgroups: schedule } : lowered;
    });
  const cuts = new ProductCuts({ ...plan, device: least });
  const each = (launches: readonly Launch[], rounds: boolean) =>
    lower(launches, rounds).flatMap((launch) => cuts.of(launch));
  const lowered = {
    ...plan,
    prologue: each(plan.prologue, false),
    regions: plan.regions.map((region) => ({
      ...region,
      forward: each(region.forward, tf32),
      backward: each(region.backward, tf32),
    })),
    epilogue: each(plan.epilogue, false),
    ...(plan.merging
      ? {
          merging: {
            merge: each(plan.merging.merge, false),
            unmerge: each(plan.merging.unmerge, false),
            forward: plan.merging.forward.map((launches) => each(launches, tf32)),
          },
        }
      : {}),
  };
  return { ...lowered, buffers: [...plan.buffers, ...cuts.buffers()] };
}

/**
 * The schedule that is emitted for a planned one; `tf32`: float32 products may be rounded. A ring of tiles leaves room for a second block, but
 * where two of the shortest do not fit.
 */
export function scheduleOf(
  { work, schedule, family }: Launch,
  device: DeviceProfile,
  tf32: boolean,
): TileSchedule {
  if (family === 'blas' || family === 'rows' || work.kind === 'einsum' || work.kind === 'finish')
    return schedule;
  const scalar = scalarSchedule(schedule, DECLARED_BYTES);
  if (work.kind !== 'product' || work.chain || work.widen) return scalar;
  const type = unitTypeOf(work);
  if (type === 'tf32' && !tf32) return scalar;
  const within = (blocks: number) => unitSchedule(schedule, type, bytesOfEach(blocks, device));
  return within(BLOCKS_AT_ONCE) ?? within(1) ?? scalar;
}
