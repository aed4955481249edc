import { planFactors } from '../../adapter/plan-factors.js';
import type { TensorData } from '../../ir/tensor.js';
import type { BoundPass } from '../pass.js';
import { requirePlan } from '../plan/plan.js';

/** Values of factors by the names of their tensors. */
export type StartFactors = ReadonlyMap<string, TensorData>;

/** The note for `insert-adapters` of what factors start as, where that is not what the method says. */
export const START_NOTE = 'start';

/** Gives factors values that were made before. */
export function startPass(factors: StartFactors): BoundPass {
  return {
    name: START_NOTE,
    text: START_NOTE,
    requires: ['planned'],
    run(model, ctx) {
      const known = new Set(planFactors(requirePlan(model, 'start factors').plans).map(({ name }) => name));
      const strange = [...factors.keys()].find((name) => !known.has(name));
      if (strange !== undefined) throw new Error(`no factor is called "${strange}"`);
      ctx.notes.set(START_NOTE, factors);
      ctx.stat('factors', factors.size);
      return 'unchanged';
    },
  };
}
