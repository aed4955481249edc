import { planFactors } from '../../adapter/plan-factors.js';
import { PLAN_KEY, type SavedPlan, type WeightRow } from '../../adapter/saved-plan.js';
import { factorShape, factorsMissing, notAnAdapter, otherBase, otherPlan } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { outputsByName, planIn, requirePlan, samePlan, withWeights } from '../plan/plan.js';
import { MATRIX } from '../sites/stacked.js';
import { baseNode } from './insert.js';
import { factorData } from './merge.js';
import { reproducible, withSeeded } from './seeded-factors.js';
import { requireBaseWeights, trainedWeights, weightsOfFile } from './trained-weights.js';

/** An adapter apart from its model: what a `.safetensors` file holds. */
export interface Adapter {
  /**
   * factors by tensor name, group factors first, then weights that were trained in full; without those that the seed of the
   * plan gives again
   */
  readonly tensors: ReadonlyMap<string, TensorData>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The adapter of a rewritten model: its factors and the weights that were trained in full. `given` holds factors that the
 * model takes as inputs, and the weights of `rows`. Throws LOTR3201, LOTR3207.
 */
export function extractAdapter(
  model: Model,
  given: ReadonlyMap<string, TensorData> = new Map(),
  rows: readonly WeightRow[] = [],
): Adapter {
  const held = requirePlan(model, 'extract');
  const fresh = new Map(rows.map((row) => [row.name, row]));
  const kept = (held.weights ?? []).filter(({ name }) => !fresh.has(name));
  const plan = withWeights(held, [...kept, ...rows]);
  const data = factorData(model, given);
  const made = reproducible(plan, data);
  const names = planFactors(plan.plans).flatMap(({ name }) => (made.has(name) ? [] : [name]));
  return {
    tensors: new Map([
      ...names.map((name) => [name, data.get(name)!] as const),
      ...trainedWeights(model, withWeights(held, kept)),
      ...rows.map(({ name }) => [name, given.get(name)!] as const),
    ]),
    metadata: { format: 'pt', [PLAN_KEY]: JSON.stringify(plan) },
  };
}

/** The plan of an adapter file. Throws LOTR7002 without one, LOTR3202, LOTR3207 or LOTR3208 when it is not consistent. */
export function planOfAdapter(adapter: Adapter, file: string): SavedPlan {
  const plan = planIn(adapter.metadata) ?? fail(notAnAdapter({ file }));
  checkFactors(plan, withSeeded(plan, adapter.tensors));
  return plan;
}

/**
 * The weights that an adapter file holds in full, to be placed in a model that carries the same plan. Throws LOTR3313 when
 * the file was made for other layers or another scale, LOTR3210 when the model holds a trained weight that the file leaves
 * as in the base (`doing` completes "cannot ..."), and as `weightsOfFile`.
 */
export function weightsFor(
  model: Model,
  present: SavedPlan,
  adapter: Adapter,
  file: string,
  doing: string,
): readonly WeightRow[] {
  const own = planIn(adapter.metadata);
  if (own && !samePlan(present, own)) fail(otherPlan({ file, what: 'the model' }));
  const rows = weightsOfFile(model, own, adapter.tensors, file);
  if (own) requireBaseWeights(present, rows, doing);
  return rows;
}

/** Every factor of a plan must be there, in float32 and with the plan's extents. */
function checkFactors(plan: SavedPlan, tensors: ReadonlyMap<string, TensorData>): void {
  const missing: string[] = [];
  for (const { name, shape } of planFactors(plan.plans)) {
    const data = tensors.get(name);
    if (!data) {
      missing.push(name);
      continue;
    }
    const wanted = `f32[${shape.join(',')}]`;
    const found = `${data.dtype}[${data.shape.join(',')}]`;
    if (found !== wanted) fail(factorShape({ name, found, wanted }));
  }
  if (missing.length > 0) fail(factorsMissing({ names: missing, from: 'the adapter file' }));
}

/** Checks that a base model has every layer of a plan, with the same weights. Throws LOTR3301, naming the layer. */
export function checkBase(model: Model, plan: SavedPlan): void {
  const outputs = outputsByName(model);
  for (const row of plan.plans) {
    for (const site of row.sites) {
      for (const use of site.uses) {
        if (!baseNode(outputs, site, use).x && use.op !== MATRIX)
          fail(otherBase({ site: site.id, output: use.output, why: 'the layer reads nothing' }));
      }
    }
  }
}
