import { planFactors } from '../../adapter/plan-factors.js';
import { PLAN_KEY } from '../../adapter/saved-plan.js';
import { baseGone } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { outputsByName, readPlan, requirePlan } from '../plan/plan.js';
import { ADAPTED, dropOpset } from './adapted-node.js';
import { placeBaseLayer } from './base-layer.js';
import { dropLeadingParts } from './leading-part.js';
import { raiseAdapters } from './raise.js';
import { restoreBiases } from './scaled-bias.js';

/**
 * Takes the adapters out again: the base layers come back with their own weights, bit for bit. Returns how many.
 * Throws LOTR3201 without a plan, LOTR3203 when a layer was changed, LOTR3210 when the model was made with an init that
 * replaced the weights, or holds weights that were trained in full.
 */
export function stripAdapters(model: Model, doing = 'strip'): number {
  const { plans, weights = [] } = requirePlan(model, doing);
  if (plans.some(({ residual }) => residual)) fail(baseGone({ doing, why: 'residual' }));
  if (weights.length > 0) fail(baseGone({ doing, why: weights.map(({ name }) => name) }));
  raiseAdapters(model, doing);
  let restored = 0;
  for (const node of [...model.everyNode()]) {
    if (node.opKey !== ADAPTED) continue;
    restoreBase(node, node.inputs[1]!);
    restored++;
  }
  const outputs = outputsByName(model);
  for (const row of plans) for (const site of row.sites) restoreBiases(model, row, site, outputs, null);
  removeFactors(model);
  model.setMetadata(PLAN_KEY, null);
  // a rewrite from here names its factors, and so seeds them, as one of the base would
  model.graph.renewNames();
  return restored;
}

/** Puts the base layer back in place of an adapted one, reading `weight`. */
export function restoreBase(node: Node, weight: Value): void {
  const graph = node.graph!;
  const output = node.outputs[0]!;
  const base = placeBaseLayer(node, weight, `${output.name}/restored`);
  supersede(output, base, `${output.name}/adapted`);
  graph.erase(node);
}

/** Factors and lotrc's operator set are removed with the adapters. */
export function removeFactors(model: Model): void {
  for (const { name } of planFactors(readPlan(model)?.plans ?? [])) {
    const value = model.graph.own(name);
    if (value) dropLeadingParts(model, value);
    if (!value || value.uses.size > 0 || value.isOutput) continue;
    if (value.isInput) model.graph.removeInput(value);
    if (value.constant) model.graph.removeInitializer(value);
  }
  dropOpset(model);
}
