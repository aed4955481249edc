import type { KernelPlan, Launch } from '../../kernel/model/types.js';

/** A plan with other launches in the place of its own, in the same order. */
export function withLaunches(plan: KernelPlan, lower: (launch: Launch) => readonly Launch[]): KernelPlan {
  const each = (launches: readonly Launch[]) => launches.flatMap((launch) => lower(launch));
  const { merging } = plan;
  return {
    ...plan,
    prologue: each(plan.prologue),
    regions: plan.regions.map((region) => ({
      ...region,
      forward: each(region.forward),
      backward: each(region.backward),
    })),
    epilogue: each(plan.epilogue),
    ...(merging
      ? {
          merging: {
            merge: each(merging.merge),
            unmerge: each(merging.unmerge),
            forward: merging.forward.map(each),
          },
        }
      : {}),
  };
}
