import { planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow, SiteRow, SiteUseRow } from '../../adapter/saved-plan.js';
import { transposeMatrix } from '../../init/dense.js';
import {
  checkInit,
  initFactors,
  needsResidual,
  residualWeight,
  type StoredMatrix,
  type WeightAccess,
} from '../../init/index.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import { isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { ComputedTensor, type TensorData } from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';
import { type Outputs, outputsByName, requirePlan, writePlan } from '../plan/plan.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import { MATRIX } from '../sites/stacked.js';
import { weightDigest } from '../sites/weight-digest.js';
import { eraseDead } from './erase.js';
import { baseNode } from './insert.js';
import { addStored, dropStored, storedWeight } from './stored-weight.js';

/**
 * Initial factors of a model's plan by tensor name. An init that takes the leading part of the weights (`svd`) also
 * replaces each of those weights by what is left of it, W - s R M L, and the plan then names the new weights: the
 * adapted model equals the base at step 0 up to one rounding per weight. Every other init leaves the base alone. Factors that are `given`
 * are taken as they are.
 */
export function initialFactors(
  model: Model,
  report: (diagnostic: Diagnostic) => void,
  given: ReadonlyMap<string, TensorData> = new Map(),
): ReadonlyMap<string, TensorData> {
  const plan = requirePlan(model, 'initialise factors');
  const outputs = outputsByName(model);
  const all = new Map<string, TensorData>();
  const tensors = planFactors(plan.plans);
  const rows: PlanRow[] = [];
  for (const row of plan.plans) {
    for (const diagnostic of checkInit(row.spec)) report(diagnostic);
    const weights: WeightAccess = {
      weight: (site) => matrixOf(baseNode(outputs, site, site.uses[0]!).identity),
    };
    const factors = initFactors(row, weights, { tensors, given });
    for (const [name, data] of factors) all.set(name, data);
    rows.push(needsResidual(row.spec) ? takeLeadingPart(model, row, outputs, factors) : row);
  }
  if (rows.some((row, i) => row !== plan.plans[i])) writePlan(model, { ...plan, plans: rows });
  return all;
}

/** Which input of a base layer is its weight. */
const weightIndex = (node: Node): number => (node.opKey === MATRIX ? 0 : 1);

/** A layer's weight as stored, with the layout of the storage. */
export function matrixOf(node: Node): StoredMatrix | null {
  const stored = storedWeight(node.inputs[weightIndex(node)]!);
  // the integers of a quantised weight, and filters, are not the matrix that the layer multiplies by
  if (!stored || !isFloat(stored.data.dtype) || stored.data.shape.length !== 2) return null;
  const flipped = isSet(node, 'transB') !== stored.transposed;
  return { data: stored.data, layout: flipped ? 'oi' : 'io', alpha: alphaOf(node) };
}

/** Puts W - s R M L in place of every weight of a plan row; returns the row with the new weights' names and digests. */
function takeLeadingPart(
  model: Model,
  row: PlanRow,
  outputs: Outputs,
  factors: ReadonlyMap<string, TensorData>,
): PlanRow {
  const sites = row.sites.map((site): SiteRow => {
    const replaced = new Map<string, { value: Value; digest: string }>();
    const uses = site.uses.map((use): SiteUseRow => {
      const node = baseNode(outputs, site, use).identity;
      const key = `${use.weight}|${alphaOf(node)}|${isSet(node, 'transB')}`;
      let fresh = replaced.get(key);
      if (!fresh) {
        const data = residualWeight(row, site, asRead(node), factors);
        const name = model.graph.names.freshValue(`${use.weight}/residual`);
        fresh = { value: addStored(model, name, data), digest: weightDigest(data) };
        replaced.set(key, fresh);
      }
      const old = storedWeight(node.inputs[weightIndex(node)]!)!;
      const { producer } = node.inputs[weightIndex(node)]!;
      node.setInput(weightIndex(node), asCast(node, old.via, fresh.value));
      if (producer) eraseDead(producer);
      dropStored(model, old.holder);
      return { ...use, weight: fresh.value.name, digest: fresh.digest, transposed: false };
    });
    return { ...site, uses };
  });
  return { ...row, sites, residual: true };
}

/** The new weight in the type that the layer reads: after Casts like those between the old one and the layer. */
function asCast(node: Node, via: readonly Node[], weight: Value): Value {
  const graph = node.graph!;
  return via
    .filter((step) => weightStep(step) === 'cast')
    .reduce((value, step) => {
      const cast = new Node({
        op: step.op,
        name: graph.names.freshNode(`${step.label}/residual`),
        inputs: [value],
        outputs: [graph.names.freshValue(`${weight.name}/cast`)],
        attrs: step.attrs,
        origin: { from: [step.name], pass: 'insert-adapters' },
      });
      graph.insertBefore(node, cast);
      return cast.outputs[0]!;
    }, weight);
}

/** The matrix as the layer reads it, after any Transpose. */
export function asRead(node: Node): StoredMatrix {
  const stored = storedWeight(node.inputs[weightIndex(node)]!)!;
  const { data, transposed } = stored;
  const layout = isSet(node, 'transB') ? 'oi' : 'io';
  if (!transposed) return { data, layout, alpha: alphaOf(node) };
  const [rows, columns] = [data.shape[0]!, data.shape[1]!];
  const flipped = new ComputedTensor(data.dtype, [columns, rows], 'transpose', () =>
    encodeFloats(data.dtype, transposeMatrix(toF64(data), rows, columns)),
  );
  return { data: flipped, layout, alpha: alphaOf(node) };
}
