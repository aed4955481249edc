import { effectiveScale, shapeOfFactor, wrapOf } from '../../adapter/description.js';
import { factorNames, groupOf, planFactors, readBy } from '../../adapter/plan-factors.js';
import { PLAN_KEY, type PlanRow, type SiteRow } from '../../adapter/saved-plan.js';
import { deltaTerm } from '../../adapter/terms.js';
import { wrapScale } from '../../adapter/to-numbers/wrap.js';
import { factorShape, factorsMissing, mergeRefused } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { elementCount } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { requireWhole } from '../../ir/values.js';
import { outputsByName, readPlan, requirePlan } from '../plan/plan.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import { baseOf } from './adapted-node.js';
import { CONVOLUTION } from './conv-layer.js';
import { eraseDead } from './erase.js';
import { widenedFactor } from './factor-dtype.js';
import { MergedTensor } from './merged-tensor.js';
import { raiseAdapters } from './raise.js';
import { restoreBiases } from './scaled-bias.js';
import {
  addStored,
  dropStored,
  isOverridable,
  replaceStored,
  type StoredWeight,
  storedWeight,
} from './stored-weight.js';
import { removeFactors, restoreBase } from './strip.js';

/** metadata key under which a merged model remembers what was folded in */
const MERGED_KEY = 'lotrc.merged';

/**
 * Folds every adapter into its weight: W' = W + (s / alpha) D, accumulated in float64 and rounded once to the type of W.
 * Returns the number of weights. They are computed when they are written, one at a time; that is also when a result that
 * is not finite is refused. A weight that other nodes read too keeps its value for them, and the merged layers get their
 * own. `given` holds factors that are not in the model (inputs, optional) or represent those that are.
 * Throws LOTR3206 when a weight cannot take the change, LOTR3207 when factors are missing, LOTR3208 when they do not fit.
 */
export function mergeAdapters(model: Model, given: ReadonlyMap<string, TensorData> = new Map()): number {
  raiseAdapters(model, 'merge');
  const plan = requirePlan(model, 'merge');
  const data = factorData(model, given);
  const outputs = outputsByName(model);
  let weights = 0;
  for (const row of plan.plans) {
    for (const site of row.sites) {
      const factors = fitting(row, site, data);
      const nodes = site.uses.map((use) => outputs.get(use.output)!.producer!);
      weights += mergeSite(model, row, site, nodes, factors);
      restoreBiases(model, row, site, outputs, factors[0]!);
    }
  }
  removeFactors(model);
  model.setMetadata(PLAN_KEY, null);
  model.setMetadata(MERGED_KEY, JSON.stringify(plan));
  return weights;
}

/** Data of all factors by tensor name: given ones first, then the model's initializers. Throws LOTR1005, LOTR3207. */
export function factorData(
  model: Model,
  given: ReadonlyMap<string, TensorData>,
): ReadonlyMap<string, TensorData> {
  const plan = readPlan(model);
  const found = new Map<string, TensorData>();
  const missing: string[] = [];
  for (const { name } of planFactors(plan?.plans ?? [])) {
    const value = model.graph.own(name);
    const embedded = value && !isOverridable(model, value) ? value.constant : null;
    const data = given.get(name) ?? embedded;
    if (data) {
      requireWhole(data);
      found.set(name, widenedFactor(data));
    } else missing.push(name);
  }
  if (missing.length > 0)
    fail(factorsMissing({ names: missing, from: given.size > 0 ? 'the adapter' : 'the model' }));
  return found;
}

/** A site's factors, whose extents must agree with the layer and each other; only axes of the layer must be those of the plan. */
function fitting(row: PlanRow, site: SiteRow, data: ReadonlyMap<string, TensorData>): readonly TensorData[] {
  const group = groupOf(row, site);
  const { operands, result } = deltaTerm(row.spec.delta);
  const extents = new Map<string, number>();
  return factorNames(row, site).map((name, k) => {
    const tensor = readBy(row, site, k, data.get(name)!);
    const planned = shapeOfFactor(row.spec, k, group);
    const wanted = planned.map((own, axis) => {
      const letter = operands[k]?.[axis];
      if (letter === undefined || result.includes(letter)) return own;
      const extent = extents.get(letter) ?? tensor.shape[axis] ?? -1;
      extents.set(letter, extent);
      return extent;
    });
    if (!isFloat(tensor.dtype) || tensor.shape.join() !== wanted.join()) {
      const found = `${tensor.dtype}[${tensor.shape.join(',')}]`;
      fail(factorShape({ name, found, wanted: `a float tensor [${wanted.join(',')}]` }));
    }
    return tensor;
  });
}

/** One adapted node and where its weight is stored. */
interface Reader {
  readonly node: Node;
  readonly stored: StoredWeight;
  /** what D is multiplied by */
  readonly scale: number;
  readonly alpha: number;
  /** the stored matrix is (out, in) */
  readonly flipped: boolean;
}

function mergeSite(
  model: Model,
  row: PlanRow,
  site: SiteRow,
  nodes: readonly Node[],
  factors: readonly TensorData[],
): number {
  const group = groupOf(row, site);
  const byHolder = new Map<Value, Reader[]>();
  for (const node of nodes) {
    const weight = node.inputs[1]!;
    const refuse = (why: string): never => fail(mergeRefused({ site: site.id, weight: weight.name, why }));
    const stored = storedWeight(weight) ?? refuse('it is computed');
    if (isOverridable(model, stored.holder)) refuse('it is also a graph input, so a caller may replace it');
    if (baseOf(node).domain !== '' && !isFloat(stored.data.dtype)) {
      refuse(`${baseOf(node).op} keeps it packed, and the sum with the adapter is not on its grid`);
    }
    if (stored.via.some((step) => weightStep(step) === 'dequantise')) {
      refuse(`it is quantised (${stored.data.dtype}), and the sum with the adapter is not on its grid`);
    }
    if (!isFloat(stored.data.dtype)) refuse(`its elements are ${stored.data.dtype}`);
    const flipped = (isSet(node, 'transB') || baseOf(node).key === CONVOLUTION) !== stored.transposed;
    const { shape } = stored.data;
    const [first, rest] = flipped ? [group.out, group.in] : [group.in, group.out];
    if (shape[0] !== first || elementCount(shape.slice(1)) !== rest) {
      refuse(`its shape is [${shape.join(',')}], and the adapter was made for [${first},${rest}]`);
    }
    const alpha = alphaOf(node);
    const scale = wrapScale(wrapOf(row.spec), effectiveScale(row.spec, group.rank), alpha);
    const reader = { node, stored, scale, alpha, flipped };
    byHolder.set(stored.holder, [...(byHolder.get(stored.holder) ?? []), reader]);
  }
  let weights = 0;
  for (const [holder, readers] of byHolder) {
    // readers of one tensor that scale or transpose it differently cannot share the merged one
    const forms = new Map<string, Reader[]>();
    for (const reader of readers) {
      const key = `${reader.scale}|${reader.alpha}|${reader.flipped}`;
      forms.set(key, [...(forms.get(key) ?? []), reader]);
    }
    const alone = forms.size === 1 && !hasOtherReaders(holder, new Set(readers.map(({ node }) => node)));
    for (const form of forms.values()) mergeForm(model, row, site, form, factors, alone);
    weights += forms.size;
  }
  return weights;
}

/** Merges one stored tensor for nodes that read it in one way: in place when nothing else reads it, else as a new one. */
function mergeForm(
  model: Model,
  row: PlanRow,
  site: SiteRow,
  form: readonly Reader[],
  factors: readonly TensorData[],
  alone: boolean,
): void {
  const [{ stored, scale, alpha, flipped }] = form as [Reader];
  const { holder, data } = stored;
  const refuse = (): never =>
    fail(
      mergeRefused({ site: site.id, weight: holder.name, why: `the result is not finite in ${data.dtype}` }),
    );
  const term = deltaTerm(row.spec.delta);
  const lengths = factors[term.operands.length];
  const delta = {
    term,
    factors: factors.slice(0, term.operands.length),
    scale,
    extents: groupOf(row, site),
    wrap: wrapOf(row.spec),
    norm: lengths ? { lengths, alpha } : null,
  };
  const merged = new MergedTensor(data, delta, flipped, refuse);
  if (alone) {
    replaceStored(holder, merged);
    for (const { node } of form) restoreBase(node, node.inputs[1]!);
    return;
  }
  const fresh = addStored(model, model.graph.names.freshValue(`${holder.name}/merged`), merged);
  const copies = new Map<Node, Value>();
  for (const reader of form) {
    const before = reader.node.inputs[1]!;
    const after = reader.stored.via.reduce((value, step) => {
      const copy = copies.get(step) ?? copyStep(step, value);
      copies.set(step, copy);
      return copy;
    }, fresh);
    restoreBase(reader.node, after);
    if (before.producer) eraseDead(before.producer);
  }
  dropStored(model, holder);
}

/** A second node like `step`, right after it, that reads `value`. Returns its output. */
function copyStep(step: Node, value: Value): Value {
  const graph = step.graph!;
  const [output] = step.outputs;
  const copy = new Node({
    op: step.op,
    name: graph.names.freshNode(`${step.label}/merged`),
    inputs: [value],
    outputs: [graph.names.freshValue(`${output!.name}/merged`)],
    attrs: step.attrs,
    origin: { from: [step.name], pass: 'merge-adapters' },
  });
  graph.insertAfter(step, copy);
  return copy.outputs[0]!;
}

/** Whether anything but these nodes' weight inputs reads a stored tensor, directly or through Identity, Transpose, Cast. */
export function hasOtherReaders(holder: Value, own: ReadonlySet<Node>): boolean {
  const stack = [holder];
  for (let value = stack.pop(); value; value = stack.pop()) {
    if (value.isOutput) return true;
    for (const { node, index } of value.uses) {
      if (own.has(node) && index === 1) continue;
      if (!weightStep(node)) return true;
      stack.push(node.outputs[0]!);
    }
  }
  return false;
}
