import { effectiveScale, shapeOfFactor } from '../../adapter/description.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import type { PlanRow, SiteRow, SiteUseRow } from '../../adapter/saved-plan.js';
import { structureChanged } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { functionKey, type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { outputsByName, requirePlan } from '../plan/plan.js';
import { ADAPTED, adaptedAttrs, copyIdentity } from './adapted-node.js';
import { eraseDead } from './erase.js';
import { widenFactors } from './factor-dtype.js';
import { readPart } from './leading-part.js';
import { matchCall, matchSum } from './match.js';
import { dropStored } from './stored-weight.js';

/**
 * The inverse of lowering: brings the adapted layers of a rewritten file back to `lotrc::LoTRLinear`, so that merging,
 * stripping, extracting and training see one form whatever the file was written in. Finds each layer by the output
 * name in the plan. Returns the number of layers that it changed. Throws LOTR3201 without a plan, LOTR3203 when a layer
 * does not compute what the plan says.
 */
export function raiseAdapters(model: Model, doing: string): number {
  const plan = requirePlan(model, doing);
  widenFactors(model);
  const outputs = outputsByName(model);
  let raised = 0;
  for (const row of plan.plans) {
    for (const site of row.sites) {
      for (const use of site.uses) {
        if (raiseUse(model, row, site, use, outputs.get(use.output))) raised++;
      }
    }
  }
  const called = new Set(
    [...model.everyNode()].map((node) => functionKey(node.domain, node.op, node.overload)),
  );
  for (const [key, fn] of model.functions) {
    if (fn.domain === 'lotrc' && !called.has(key)) model.removeFunction(key);
  }
  model.setOpset('lotrc', 1);
  return raised;
}

function raiseUse(model: Model, row: PlanRow, site: SiteRow, use: SiteUseRow, y: Value | undefined): boolean {
  const refuse = (why: string): never => fail(structureChanged({ site: site.id, output: use.output, why }));
  const top = y?.producer;
  if (!y || !top) throw refuse('no node delivers its output');
  if (top.opKey === ADAPTED) return false;
  const group = groupOf(row, site);
  const factors = factorNames(row, site).map((name, k) => {
    const whole = model.graph.own(name) ?? refuse(`factor "${name}" is not in the model`);
    if (!row.spec.factors[k]!.slice) return whole;
    return (
      readPart(whole, shapeOfFactor(row.spec, k, group)) ??
      refuse(`the part of "${name}" that it reads is gone`)
    );
  });
  const scale = Math.fround(effectiveScale(row.spec, group.rank));
  const wanted = { op: use.op, factors, spec: row.spec, scale, shape: group };
  const layer = top.domain === 'lotrc' ? matchCall(model, top, wanted) : matchSum(model, top, wanted);
  if (typeof layer === 'string') throw refuse(layer);
  const graph = top.graph!;
  const node = new Node({
    op: 'LoTRLinear',
    domain: 'lotrc',
    name: layer.identity.name,
    inputs: [layer.x, layer.w, ...factors, ...layer.rest],
    outputs: [graph.names.freshValue(`${use.output}/raised`)],
    attrs: adaptedAttrs(row.spec, group, use.op, layer.attrs),
    origin: { from: [layer.identity.name], pass: 'raise-adapters' },
  });
  copyIdentity(layer.identity, node);
  graph.insertBefore(top, node);
  supersede(y, node.outputs[0]!, `${use.output}/lowered`);
  eraseDead(top);
  for (const constant of layer.constants) dropStored(model, constant);
  return true;
}
