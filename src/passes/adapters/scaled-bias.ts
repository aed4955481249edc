import { effectiveScale, shapeOfFactor } from '../../adapter/description.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import type { PlanRow, SiteRow } from '../../adapter/saved-plan.js';
import { attrInt } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { mergeRefused, structureChanged } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { dtypeToOnnx, isFloat } from '../../ir/dtype.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';
import type { Outputs } from '../plan/plan.js';
import { ADAPTED, baseOf, factorCount } from './adapted-node.js';
import { eraseDead } from './erase.js';
import { readPart } from './leading-part.js';
import { dtypeOf } from './lower.js';
import { addStored, dropStored, isOverridable, storedWeight } from './stored-weight.js';
import { beforeCast, operandsOfNode } from './wrapped-weight.js';

/**
 * The bias of a layer whose method scales it with the outputs (`scaleBias`): b (1 + s l), in plain ONNX in whatever form the layer
 * is. It is the bias of a Gemm, or a stored vector that the one Add after a MatMul adds.
 */

/** The node and the input that read the bias of the layer that delivers y; null where it has none. */
function biasPlace(y: Value, out: number): { readonly node: Node; readonly index: number } | null {
  const node = y.producer;
  if (!node) return null;
  const adapted = node.opKey === ADAPTED;
  if ((adapted ? baseOf(node).key : node.opKey) === 'Gemm') {
    const index = adapted ? 2 + factorCount(node) : 2;
    return node.inputs[index] ? { node, index } : null;
  }
  const [use, ...more] = [...y.uses];
  if (use?.node.opKey !== 'Add' || more.length > 0 || y.isOutput) return null;
  const index = 1 - use.index;
  const read = use.node.inputs[index]!;
  const bias = operandsOfNode(read, 'Mul')[0] ?? read;
  const shape = storedWeight(bias)?.data.shape;
  return shape?.length === 1 && shape[0] === out ? { node: use.node, index } : null;
}

/** Scales the bias of the layer that delivers y, where it has one. `l`: the factor as the layer reads it. */
export function scaleBias(model: Model, y: Value, l: Value, scale: number, out: number, name: string): void {
  const place = biasPlace(y, out);
  if (!place) return;
  const { node, index } = place;
  const bias = node.inputs[index]!;
  const b = new GraphBuilder(node.graph!, { before: node, pass: 'insert-adapters' });
  const stored = (value: number) =>
    addStored(model, model.graph.names.freshValue('lotr/scale'), f32Tensor([], [value]));
  const scaled = b.one('Mul', [l, stored(scale)], {}, `${name}/sl`);
  const factor = b.one('Add', [scaled, stored(1)], {}, `${name}/1+sl`);
  const dtype = dtypeOf(bias);
  const own =
    dtype === 'f32'
      ? factor
      : b.one('Cast', [factor], { to: attrInt(dtypeToOnnx(dtype)) }, `${name}/1+sl/${dtype}`);
  node.setInput(index, b.one('Mul', [bias, own], {}, `${name}/bias`));
}

/**
 * Takes the scale off the biases of a layer that is a base layer again. `lengths`: values of the factor, to be merged into
 * each bias; null: the biases are those of the base. Throws LOTR3203 where one is not scaled as it was written, LOTR3206 where
 * one cannot take the change.
 */
export function restoreBiases(
  model: Model,
  row: PlanRow,
  site: SiteRow,
  outputs: Outputs,
  lengths: TensorData | null,
): void {
  if (!row.spec.scaleBias) return;
  const group = groupOf(row, site);
  const whole = model.graph.own(factorNames(row, site)[0]!);
  const l = whole && row.spec.factors[0]!.slice ? readPart(whole, shapeOfFactor(row.spec, 0, group)) : whole;
  for (const use of site.uses) {
    const y = outputs.get(use.output)!;
    const place = biasPlace(y, group.out);
    if (!place) continue;
    const read = place.node.inputs[place.index]!;
    const [bias, factor] = operandsOfNode(read, 'Mul');
    const [scaled, one] = operandsOfNode(beforeCast(factor), 'Add');
    const [own, scale] = operandsOfNode(scaled, 'Mul');
    if (!bias || !one || !scale || own !== l)
      throw fail(structureChanged({ site: site.id, output: use.output, why: 'its bias is not scaled' }));
    const by = effectiveScale(row.spec, group.rank);
    place.node.setInput(place.index, lengths ? merged(model, site, bias, lengths, by) : bias);
    eraseDead(read.producer!);
    for (const number of [one, scale]) dropStored(model, number);
  }
}

/** b (1 + s l) as a stored value, in float64 with one rounding. */
function merged(model: Model, site: SiteRow, bias: Value, lengths: TensorData, scale: number): Value {
  const refuse = (why: string): never =>
    fail(mergeRefused({ site: site.id, weight: bias.name, why: `its bias changes, and ${why}` }));
  const stored = storedWeight(bias) ?? refuse('it is computed');
  if (isOverridable(model, stored.holder)) refuse('it is also a graph input, so a caller may replace it');
  const { shape, dtype: held } = stored.data;
  const out = lengths.shape[0]!;
  if (!isFloat(held) || shape.at(-1) !== out) refuse('it is not a vector over the outputs');
  const dtype = dtypeOf(bias);
  const data = new ComputedTensor(dtype, shape, 'merge', () => {
    const l = toF64(lengths);
    const values = toF64(stored.data).map((b, k) => b * (1 + scale * l[k % out]!));
    if (!values.every(Number.isFinite)) refuse('the result is not finite');
    return encodeFloats(dtype, values);
  });
  return addStored(model, model.graph.names.freshValue(`${stored.holder.name}/merged`), data);
}
