import { coreSchedule } from '../../kernel/gen/core-schedule.js';
import { scalarSchedule } from '../../kernel/gen/kernels.js';
import type { KernelPlan, Launch, TileSchedule } from '../../kernel/model/types.js';
import { ringOfCores, workgroupBytes } from '../../kernel/plan/schedule.js';
import { DECLARED_BYTES } from '../../kernel/print/cuda/shared-memory.js';
import { partsOf } from '../cuda/cut.js';
import { takesRing } from '../cuda/lower.js';
import { ProductCuts } from '../shared/cuts.js';
import { withLaunches } from '../shared/lower.js';

/**
 * The plan as it is emitted: products of too few blocks are cut into parts, and tiles of the others come through registers into a ring of
 * two, where they do not belong to several adapters. No kernel depends on how many lanes run together.
 */
export function loweredForHip(plan: KernelPlan): KernelPlan {
  const cuts = new ProductCuts(plan, partsOf);
  const lowered = withLaunches(plan, (launch) => cuts.of({ ...launch, schedule: scheduleOf(launch) }));
  return { ...lowered, buffers: [...plan.buffers, ...cuts.buffers()] };
}

function scheduleOf({ work, schedule, family }: Launch): TileSchedule {
  if (family === 'rows' || work.kind === 'einsum' || work.kind === 'finish') return schedule;
  const scalar = scalarSchedule(schedule, DECLARED_BYTES);
  const product = work.kind === 'product' && !work.chain && !work.widen && takesRing(work);
  if (!product || !ringOfCores(schedule)) return scalar;
  const own = coreSchedule(schedule, work, DECLARED_BYTES);
  return own && workgroupBytes(own, { family, dtype: 'f32' }) <= DECLARED_BYTES
    ? { ...own, staged: true }
    : scalar;
}
