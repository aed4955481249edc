import type { BufferPlan, KernelPlan, Launch } from '../../kernel/model/types.js';

/** What is known of a plan before it is made. */
export type Planned = Pick<KernelPlan, 'device' | 'tokens' | 'adapters' | 'mostRank'>;

/** How a back end emits launches. It remembers which memory they need. */
export interface LaunchLowering {
  /** the launches that are emitted for one of a plan, with their prices */
  of(launch: Launch): readonly Launch[];
  /** the memory that those need besides that of the plan */
  buffers(): readonly BufferPlan[];
}

/** The plan as it is emitted. */
export const loweredBy = (lowering: LaunchLowering, plan: KernelPlan): KernelPlan => {
  const lowered = withLaunches(plan, (launch) => lowering.of(launch));
  return { ...lowered, buffers: [...plan.buffers, ...lowering.buffers()] };
};

/** A plan with other launches in the place of its own, in the same order. */
function withLaunches(plan: KernelPlan, lower: (launch: Launch) => readonly Launch[]): KernelPlan {
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
