import { bytesOfEach } from '../../kernel/device/blocks.js';
import { leastOf } from '../../kernel/device/cuda-devices.js';
import { coreSchedule } from '../../kernel/gen/core-schedule.js';
import { scalarSchedule } from '../../kernel/gen/kernels.js';
import { unitSchedule, unitTypeOf } from '../../kernel/gen/unit-schedule.js';
import type { DeviceProfile, KernelPlan, Launch, Product, TileSchedule } from '../../kernel/model/types.js';
import { codeTableBytes } from '../../kernel/plan/code-tables.js';
import { packedGroups } from '../../kernel/plan/packed-groups.js';
import { priced, unlessSlower } from '../../kernel/plan/price.js';
import { ringOfCores } from '../../kernel/plan/schedule.js';
import { whyNoWarpgroups } from '../../kernel/plan/warpgroup-schedule.js';
import { DECLARED_BYTES } from '../../kernel/print/cuda/shared-memory.js';
import { ProductCuts } from '../shared/cuts.js';
import { type LaunchLowering, loweredBy, type Planned } from '../shared/lower.js';
import { mostParts } from './cut.js';

/** Blocks with matrix units on a multiprocessor: one multiplies while the other waits, or stores its results. */
const BLOCKS_AT_ONCE = 2;

/** The plan as it is emitted: see loweringFor. */
export const loweredPlan = (plan: KernelPlan, architectures: readonly string[] = []): KernelPlan =>
  loweredBy(loweringFor(plan, architectures), plan);

/**
 * How launches are emitted: products of too few blocks are cut into parts (mostParts), and schedules are those of the
 * kernels: matrix units (mma.sync) for products of narrow operands and of float32 that is rounded, CUDA cores for the rest.
 * Kernels run on devices of all `architectures`. With sm_90a among them a product whose planned schedule is one of warpgroups has a
 * kernel of theirs too, unless a device that has warpgroups is clearly faster without.
 */
export function loweringFor(planned: Planned, architectures: readonly string[]): LaunchLowering {
  const least = leastOf(planned.device, architectures);
  const cuts = new ProductCuts(planned, (work, schedule) =>
    mostParts(work, schedule, { ...planned, device: least }),
  );
  const hasGroups = planned.device.features.includes('wgmma');
  return {
    of: (launch) => {
      const own = { ...launch, schedule: scheduleOf(launch, least) };
      const warpgroups = groupedSchedule(launch, architectures);
      if (!warpgroups) return cuts.of(own);
      const grouped = [priced({ ...own, warpgroups }, planned)];
      const wins = !hasGroups || unlessSlower(grouped, cuts.cheapest(own)) === grouped;
      return wins ? grouped : cuts.of(own);
    },
    buffers: () => cuts.buffers(),
  };
}

/**
 * The schedule of a launch where warpgroups run it: the planned one, or one for packed weights. Null where they do not, or no architecture has
 * them.
 */
export function groupedSchedule(
  { work, schedule }: Launch,
  architectures: readonly string[],
): TileSchedule | null {
  if (!architectures.includes('sm_90a') || work.kind !== 'product') return null;
  if (work.segments.some(({ b }) => b.matrix.packed)) return packedGroups(work, schedule);
  return whyNoWarpgroups(work, schedule) === null ? schedule : null;
}

/**
 * The schedule that is emitted for a planned one. A ring of tiles leaves room for a second block, but
 * where two of the shortest do not fit.
 */
export function scheduleOf({ work, schedule, family }: Launch, device: DeviceProfile): TileSchedule {
  if (family === 'blas' || family === 'rows' || work.kind === 'einsum' || work.kind === 'finish')
    return schedule;
  const scalar = scalarSchedule(schedule, DECLARED_BYTES);
  if (work.kind !== 'product' || work.chain || work.widen) return scalar;
  const type = unitTypeOf(work);
  const ofCores = () => coreSchedule(schedule, work, bytesOfEach(BLOCKS_AT_ONCE, device));
  if (!type) return (ringOfCores(schedule) && takesRing(work) && ofCores()) || scalar;
  const tables = codeTableBytes(work.segments);
  const within = (blocks: number) => unitSchedule(schedule, type, bytesOfEach(blocks, device) - tables);
  return within(BLOCKS_AT_ONCE) ?? within(1) ?? scalar;
}

/** Whether tiles of a product on CUDA cores lie in a ring. Rows of one adapter are padded to tiles, which are smaller without. */
export const takesRing = ({ segments }: Product): boolean =>
  segments.every(({ a, b }) => !a.perRowBlock && !b.perRowBlock);
