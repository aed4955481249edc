import type { Memory } from '../../src/backends/kernel/model/by-definition.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';

/** All buffers of a plan, poisoned; those that a step clears are zero. */
export function poisoned(plan: KernelPlan): Memory {
  return new Map(
    plan.buffers.map(({ name, shape, cleared }) => {
      const size = shape.reduce<number>(
        (total, extent) => total * (extent === 'M' ? plan.tokens : Number(extent)),
        1,
      );
      return [name, new Float64Array(size).fill(cleared ? 0 : Number.NaN)];
    }),
  );
}
