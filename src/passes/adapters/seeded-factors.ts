import { sameBytes } from '#platform';
import { planFactors } from '../../adapter/plan-factors.js';
import type { SavedPlan } from '../../adapter/saved-plan.js';
import { initialValues } from '../../init/index.js';
import type { TensorData } from '../../ir/tensor.js';

/** Values of the factors that follow from a plan's seeds, by tensor name; they are made when they are read. */
function seededFactors({ plans }: SavedPlan): ReadonlyMap<string, TensorData> {
  return new Map(
    planFactors(plans).flatMap(({ name, row, factor, spec, shape }) =>
      spec.mode === 'seeded' ? [[name, initialValues(row.spec, factor, shape, row.seed, name)] as const] : [],
    ),
  );
}

/** Tensors with those that follow from the plan's seeds where they are missing. */
export function withSeeded(
  plan: SavedPlan,
  tensors: ReadonlyMap<string, TensorData>,
): ReadonlyMap<string, TensorData> {
  const made = [...seededFactors(plan)].filter(([name]) => !tensors.has(name));
  return made.length === 0 ? tensors : new Map([...tensors, ...made]);
}

/** Names of the tensors that need not be stored: their values are what the plan's seeds give. */
export function reproducible(plan: SavedPlan, tensors: ReadonlyMap<string, TensorData>): ReadonlySet<string> {
  const same = (made: TensorData, held: TensorData | undefined) =>
    held?.dtype === made.dtype &&
    held.byteLength === made.byteLength &&
    (held === made || sameBytes(held.bytes(), made.bytes()));
  return new Set(
    [...seededFactors(plan)].flatMap(([name, made]) => (same(made, tensors.get(name)) ? [name] : [])),
  );
}
