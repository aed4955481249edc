import { coreSchedule } from '../../kernel/gen/core-schedule.js';
import { scalarSchedule } from '../../kernel/gen/kernels.js';
import type { KernelPlan, Launch, TileSchedule } from '../../kernel/model/types.js';
import { ringOfCores, workgroupBytes } from '../../kernel/plan/schedule.js';
import { DECLARED_BYTES } from '../../kernel/print/cuda/shared-memory.js';
import { mostParts } from '../cuda/cut.js';
import { takesRing } from '../cuda/lower.js';
import { ProductCuts } from '../shared/cuts.js';
import { type LaunchLowering, loweredBy, type Planned } from '../shared/lower.js';

/** The plan as it is emitted: see hipLowering. */
export const loweredForHip = (plan: KernelPlan): KernelPlan => loweredBy(hipLowering(plan), plan);

/**
 * How launches are emitted: products of too few blocks are cut into parts, and tiles of the others come through registers into a ring of
 * two, where they do not belong to several adapters. No kernel depends on how many lanes run together.
 */
export function hipLowering(planned: Planned): LaunchLowering {
  const cuts = new ProductCuts(planned, (work, schedule) => mostParts(work, schedule, planned));
  return {
    of: (launch) => cuts.of({ ...launch, schedule: scheduleOf(launch) }),
    buffers: () => cuts.buffers(),
  };
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
