import { effectiveScale, shapeOfFactor, wrapOf } from '../../adapter/description.js';
import { factorNames, groupOf, planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow, SiteRow, SiteUseRow } from '../../adapter/saved-plan.js';
import { opsetOf } from '../../ir/builder.js';
import { nameTaken, noWrap, oldOpset, otherBase } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type Model, Node } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import type { TensorData } from '../../ir/tensor.js';
import { type Outputs, outputsByName, requirePlan } from '../plan/plan.js';
import { weightDigest } from '../sites/weight-digest.js';
import { adaptedAttrs, copyIdentity } from './adapted-node.js';
import { type BaseLayer, baseLayer } from './base-layer.js';
import { eraseDead } from './erase.js';
import { leadingPart } from './leading-part.js';
import { takesMatrix } from './lower.js';
import { scaleBias } from './scaled-bias.js';
import { addStored, storedWeight } from './stored-weight.js';

/**
 * Replaces every base node of the plan by one `lotrc::LoTRLinear(x, W, factors..., rest...)`, with what else the base reads (a
 * bias, the scales of a packed weight) at the end, that keeps its name, outputs,
 * documentation, metadata and unknown fields. Factors become initializers of the main graph under the plan's names.
 * `factors` gives their data by name. Throws LOTR3301 when the model does not have a layer of the plan, LOTR3204 below
 * operator set 7, LOTR3304 when a factor's name is taken, LOTR3211 for a wrap over a layer without a matrix of its own.
 */
export function insertAdapters(model: Model, factors: ReadonlyMap<string, TensorData>): void {
  const plan = requirePlan(model, 'insert adapters');
  const outputs = outputsByName(model);
  for (const { name } of planFactors(plan.plans)) {
    const data = factors.get(name);
    if (!data) throw new Error(`no data for factor "${name}"`);
    if (model.graph.own(name)) fail(nameTaken({ name }));
    addStored(model, name, data);
  }
  for (const row of plan.plans) {
    for (const site of row.sites) {
      for (const use of site.uses) replaceBase(model, row, site, use, baseNode(outputs, site, use));
    }
  }
  if (!model.opsets.has('lotrc')) model.setOpset('lotrc', 1);
}

/** The layer that the plan means. Throws LOTR3301 when it is not there or reads another weight. */
export function baseNode(outputs: Outputs, site: SiteRow, use: SiteUseRow): BaseLayer {
  const refuse = (why: string): never => fail(otherBase({ site: site.id, output: use.output, why }));
  const node = outputs.get(use.output)?.producer;
  if (!node) return refuse(`no node delivers "${use.output}"`);
  const base = baseLayer(node, use.op);
  if (!base) return refuse(`"${use.output}" comes from ${node.opKey}, not ${use.op}`);
  const stored = base.w ? storedWeight(base.w) : null;
  if (!stored) return refuse('its weight is not stored in the model');
  if (use.digest.startsWith('no-data:')) return refuse('it was planned without the weights');
  if (weightDigest(stored.data) !== use.digest)
    return refuse('its weight is not the one the adapter was made for');
  return base;
}

function replaceBase(model: Model, row: PlanRow, site: SiteRow, use: SiteUseRow, base: BaseLayer): void {
  const { identity, result } = base;
  const graph = result.graph!;
  const opset = opsetOf(graph);
  if (opset < 7) fail(oldOpset({ opset, site: site.id }));
  const group = groupOf(row, site);
  const factors = factorNames(row, site).map((name, k) => {
    const whole = model.graph.own(name)!;
    return row.spec.factors[k]!.slice ? leadingPart(model, whole, shapeOfFactor(row.spec, k, group)) : whole;
  });
  const output = result.outputs[0]!;
  const node = new Node({
    op: 'LoTRLinear',
    domain: 'lotrc',
    name: identity.name,
    inputs: [base.x, base.w, ...factors, ...base.rest],
    outputs: [graph.names.freshValue(`${output.name}/adapted`)],
    attrs: adaptedAttrs(row.spec, group, use.op, base.attrs),
    origin: { from: [identity.name], pass: 'insert-adapters' },
  });
  if (wrapOf(row.spec) !== 'add' && !takesMatrix(node))
    fail(noWrap({ site: site.id, op: use.op, wrap: wrapOf(row.spec) }));
  copyIdentity(identity, node);
  graph.insertBefore(result, node);
  supersede(output, node.outputs[0]!, `${output.name}/replaced`);
  eraseDead(result);
  if (!row.spec.scaleBias) return;
  const scale = Math.fround(effectiveScale(row.spec, group.rank));
  scaleBias(model, node.outputs[0]!, factors[0]!, scale, group.out, `${row.spec.method}/${site.id}`);
}
