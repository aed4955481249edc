import { operandsOf, PLAN_KEY, type SiteRow } from '../../ir/adapter.js';
import { baseGone, factorsMissing, mergeRefused } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type DType, dtypeFromOnnx, isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { ComputedTensor, type TensorData } from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';
import { alphaOf, isSet } from './base-attrs.js';
import { ADAPTED, baseOf, copyIdentity, deltaOf, factorCount, scaleOf } from './insert.js';
import { factorNames, factorTensors, outputsByName, readPlan, requirePlan } from './plan.js';
import { dropIfUnused, eraseDead, raiseAdapters } from './raise.js';
import { type StoredWeight, storedWeight } from './weight.js';

/** metadata key under which a merged model remembers what was folded in */
export const MERGED_KEY = 'lotrc.merged';

/**
 * Folds every adapter into its weight: W' = W + (s / alpha) D, accumulated in float64 and rounded once to the type of W.
 * Weights are computed when they are written, one at a time. A weight that other nodes read too keeps its value for
 * them, and the merged layers get their own. `given` holds factors that are not in the model (inputs, optional).
 * Throws LOTR3206 when a weight cannot take the change and LOTR3207 when factors are missing.
 */
export function mergeAdapters(model: Model, given: ReadonlyMap<string, TensorData> = new Map()): void {
  raiseAdapters(model, 'merge');
  const plan = requirePlan(model, 'merge');
  const data = factorData(model, given);
  const outputs = outputsByName(model);
  for (const row of plan.plans) {
    for (const site of row.sites) {
      const factors = factorNames(row, site).map((name) => data.get(name)!);
      const nodes = site.uses.map((use) => outputs.get(use.output)!.producer!);
      mergeSite(model, site, nodes, factors);
    }
  }
  removeFactors(model);
  model.setMetadata(PLAN_KEY, null);
  model.setMetadata(MERGED_KEY, JSON.stringify(plan));
}

/**
 * Takes the adapters out again: the base layers come back with their own weights, bit for bit. Throws LOTR3210 when the
 * model was made with an init that replaced the weights.
 */
export function stripAdapters(model: Model, doing = 'strip'): void {
  const row = requirePlan(model, doing).plans.find(({ residual }) => residual);
  if (row) fail(baseGone({ doing }));
  raiseAdapters(model, doing);
  for (const node of [...model.everyNode()]) if (node.opKey === ADAPTED) restore(node, node.inputs[1]!);
  removeFactors(model);
  model.setMetadata(PLAN_KEY, null);
}

/** Data of all factors by tensor name: given ones first, then the model's initializers. Throws LOTR3207. */
export function factorData(
  model: Model,
  given: ReadonlyMap<string, TensorData>,
): ReadonlyMap<string, TensorData> {
  const plan = readPlan(model);
  const found = new Map<string, TensorData>();
  const missing: string[] = [];
  for (const row of plan?.plans ?? []) {
    for (const { name } of factorTensors(row)) {
      const value = model.graph.own(name);
      const embedded = value && !value.isInput ? value.constant : null;
      const data = given.get(name) ?? embedded;
      if (data) found.set(name, data);
      else missing.push(name);
    }
  }
  if (missing.length > 0)
    fail(factorsMissing({ names: missing, from: given.size > 0 ? 'the adapter' : 'the model' }));
  return found;
}

function mergeSite(
  model: Model,
  site: SiteRow,
  nodes: readonly Node[],
  factors: readonly TensorData[],
): void {
  // uses of one weight that read it differently (alpha, transB) each get their own merged matrix
  const forms = new Map<string, Node[]>();
  const ids = new Map<Value, number>();
  for (const node of nodes) {
    const weight = node.inputs[1]!;
    ids.set(weight, ids.get(weight) ?? ids.size);
    const key = `${ids.get(weight)}|${alphaOf(node)}|${isSet(node, 'transB')}`;
    forms.set(key, [...(forms.get(key) ?? []), node]);
  }
  for (const form of forms.values()) mergeForm(model, site, form, factors);
}

/** Nodes that read one weight in one way. */
function mergeForm(model: Model, site: SiteRow, form: readonly Node[], factors: readonly TensorData[]): void {
  const first = form[0]!;
  const weight = first.inputs[1]!;
  const refuse = (why: string): never => fail(mergeRefused({ site: site.id, weight: weight.name, why }));
  const stored = storedWeight(weight);
  if (!stored) throw refuse('it is computed');
  if (stored.holder.isInput) refuse('it is also a graph input, so a caller may replace it');
  if (!isFloat(stored.data.dtype)) refuse(`its elements are ${stored.data.dtype}`);
  const product = { factors, delta: deltaOf(first), scale: scaleOf(first) / alphaOf(first) };
  const flipped = isSet(first, 'transB');
  if (stored.holder.constant && readOnlyBy(form, weight, stored)) {
    // nobody else sees the stored tensor: it changes in place, whatever lies between
    const turn = { source: false, delta: flipped !== stored.transposed };
    stored.holder.setConstant(mergedWeight(stored.data, stored.data.dtype, turn, product, refuse));
    for (const node of form) restore(node, weight);
    return;
  }
  const turn = { source: stored.transposed, delta: flipped };
  const merged = mergedWeight(stored.data, readType(stored), turn, product, refuse);
  const fresh = model.graph.addInitializer(model.graph.names.freshValue(`${weight.name}/merged`), merged);
  for (const node of form) restore(node, fresh);
  if (weight.producer) eraseDead(weight.producer);
  dropIfUnused(stored.holder);
}

/** Whether the chain from the stored tensor to `weight` has no reader but these nodes. */
function readOnlyBy(form: readonly Node[], weight: Value, { holder, via }: StoredWeight): boolean {
  if (weight.uses.size !== form.length || weight.isOutput) return false;
  return [holder, ...via.map((node) => node.outputs[0]!)].every(
    (value) => value === weight || (value.uses.size === 1 && !value.isOutput),
  );
}

/** Element type of a weight after the casts between it and the layer. */
function readType({ data, via }: StoredWeight): DType {
  const to = via.findLast((node) => node.opKey === 'Cast')?.attrs.get('to');
  return to?.kind === 'int' ? dtypeFromOnnx(Number(to.value)) : data.dtype;
}

interface Product {
  readonly factors: readonly TensorData[];
  readonly delta: string;
  readonly scale: number;
}

/**
 * W + scale D in `dtype`, computed when its bytes are asked for. `turn.source`: the stored W is transposed first (its
 * Transpose node will be gone); `turn.delta`: D is transposed to lie like the result.
 */
function mergedWeight(
  weight: TensorData,
  dtype: DType,
  turn: { readonly source: boolean; readonly delta: boolean },
  product: Product,
  refuse: (why: string) => never,
): TensorData {
  const [rows, columns] = [weight.shape[0]!, weight.shape[1]!];
  return new ComputedTensor(dtype, turn.source ? [columns, rows] : [rows, columns], 'merge', () => {
    const stored = toF64(weight);
    const values = turn.source ? transpose(stored, rows, columns) : stored;
    const delta = chain(product.factors, product.delta);
    const change = turn.delta ? transpose(delta.data, delta.rows, delta.columns) : delta.data;
    for (let i = 0; i < values.length; i++) {
      const sum = values[i]! + product.scale * change[i]!;
      if (!Number.isFinite(sum) && Number.isFinite(values[i]!)) refuse('the result is not finite');
      values[i] = sum;
    }
    return encodeFloats(dtype, values);
  });
}

/** The product of the factors, (in, out) row-major, in float64, by the order of the chain from the right. */
function chain(
  factors: readonly TensorData[],
  delta: string,
): { data: Float64Array; rows: number; columns: number } {
  if (operandsOf({ delta }).length !== factors.length) throw new Error('a factor is missing');
  const matrices = factors.map((factor) => ({
    data: toF64(factor),
    rows: factor.shape[0]!,
    columns: factor.shape[1]!,
  }));
  return matrices.reduceRight((right, left) => {
    const data = new Float64Array(left.rows * right.columns);
    for (let i = 0; i < left.rows; i++) {
      const row = data.subarray(i * right.columns, (i + 1) * right.columns);
      for (let k = 0; k < left.columns; k++) {
        const a = left.data[i * left.columns + k]!;
        if (a === 0) continue;
        const from = k * right.columns;
        for (let j = 0; j < right.columns; j++) row[j] = row[j]! + a * right.data[from + j]!;
      }
    }
    return { data, rows: left.rows, columns: right.columns };
  });
}

export function transpose(data: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  }
  return out;
}

/** Puts the base node back in place of an adapted one, reading `weight`. */
function restore(node: Node, weight: Value): void {
  const graph = node.graph!;
  const { op, attrs } = baseOf(node);
  const bias = node.inputs[2 + factorCount(node)];
  const output = node.outputs[0]!;
  const base = new Node({
    op,
    name: node.name,
    inputs: [node.inputs[0]!, weight, ...(bias ? [bias] : [])],
    outputs: [graph.names.freshValue(`${output.name}/restored`)],
    attrs,
    origin: { from: node.origin.from },
  });
  copyIdentity(node, base);
  graph.insertBefore(node, base);
  supersede(output, base.outputs[0]!, `${output.name}/adapted`);
  graph.erase(node);
}

/** Factors and lotrc's operator set leave with the adapters. */
function removeFactors(model: Model): void {
  const plan = readPlan(model);
  for (const row of plan?.plans ?? []) {
    for (const { name } of factorTensors(row)) {
      const value = model.graph.own(name);
      if (!value || value.uses.size > 0 || value.isOutput) continue;
      if (value.isInput) model.graph.removeInput(value);
      if (value.constant) model.graph.removeInitializer(value);
    }
  }
  for (const [key, fn] of model.functions) if (fn.domain === 'lotrc') model.removeFunction(key);
  model.removeOpset('lotrc');
}
