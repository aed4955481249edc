import type { Wrap } from '../../adapter/description.js';
import { attrInt, attrInts } from '../../ir/attr.js';
import { constantData } from '../../ir/constants.js';
import { dtypeToOnnx } from '../../ir/dtype.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { toIntegers } from '../../ir/values.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import type { PlannedLayer } from './match.js';
import { storedNumber } from './stored-weight.js';
import { cast, type Layer, nodesOf, numberOf } from './weight-terms.js';

/** The operator set that has the axes of ReduceL2 as an input. */
const REDUCE_OPSET = 18;

/**
 * What a layer with a wrap reads in place of W; `delta` is s D as the layer reads W, in float32.
 *
 * - `hadamard`: W (1 + s D), number by number.
 * - `column-norm`: V times the lengths over the norms of its columns, V = W + s D; computed in float32.
 */
export function wrappedWeight(
  layer: Layer,
  w: Value,
  delta: Value,
  wrap: Exclude<Wrap, 'add'>,
  norms: 'plain' | 'detached',
): Value {
  const { b, label, once, weights, compute } = layer;
  const named = (part: string) => `${label.prefix}/${part}`;
  if (wrap === 'hadamard') {
    const one = numberOf(layer, 1);
    const factor = once(['above one', delta], () => weights.one('Add', [delta, one], {}, named('1+sD')));
    return b.one('Mul', [w, cast(layer, factor, '1+sD')], {}, named('W'));
  }
  const wide =
    compute === 'f32' ? w : b.one('Cast', [w], { to: attrInt(dtypeToOnnx('f32')) }, named('W/f32'));
  const sum = b.one('Add', [wide, delta], {}, named('V'));
  const factor = columnFactor(layer, sum, norms);
  const scaled = b.one('Mul', [sum, factor], {}, named(compute === 'f32' ? 'W' : 'W/scaled'));
  if (compute === 'f32') return scaled;
  return b.one('Cast', [scaled], { to: attrInt(dtypeToOnnx(compute)) }, named('W'));
}

/** What the columns of V are multiplied by: lengths over norms, which alpha is part of. */
function columnFactor(layer: Layer, sum: Value, norms: 'plain' | 'detached'): Value {
  const { b, node, label, lengths } = layer;
  const named = (part: string) => `${label.prefix}/${part}`;
  const make = nodesOf(layer);
  const flipped = isSet(node, 'transB');
  const axis = flipped ? 1 : 0;
  const norm =
    b.opset < REDUCE_OPSET
      ? b.one('ReduceL2', [sum], { axes: attrInts([axis]) }, named('norm'))
      : b.one('ReduceL2', [sum, make.integers([axis])], {}, named('norm'));
  const alpha = Math.abs(alphaOf(node));
  const whole = alpha === 1 ? norm : b.one('Mul', [norm, numberOf(layer, alpha)], {}, named('norm/alpha'));
  const constant =
    norms === 'detached' && isSet(node, 'detach_norm')
      ? b.node('Detach', [whole], {}, { domain: 'lotrc', outputs: [named('norm/constant')] })[0]!
      : whole;
  return b.one('Div', [flipped ? columnOf(layer, lengths!) : lengths!, constant], {}, named('m/norm'));
}

/** Lengths (out) as a column (out, 1). */
function columnOf(layer: Layer, lengths: Value): Value {
  const make = nodesOf(layer);
  const name = `${layer.label.prefix}/m/column`;
  return layer.weights.opset < 13
    ? make.node('Unsqueeze', [lengths], { axes: attrInts([1]) }, name)
    : make.node('Unsqueeze', [lengths, make.integers([1])], {}, name);
}

/** What a wrap was read to be made of. */
interface ReadWrap {
  readonly w: Value;
  /** s D as the layer reads W */
  readonly delta: Value;
  readonly constants: readonly Value[];
}

const OTHERWISE = 'its weight is not what the wrap of its method makes of it';

/** Reads W (1 + s D). */
export function readHadamard(model: Model, value: Value): ReadWrap | string {
  const [w, factor] = operandsOfNode(value, 'Mul');
  const [delta, one] = operandsOfNode(beforeCast(factor), 'Add');
  if (!w || !delta || !one || storedNumber(model, one) !== 1) return OTHERWISE;
  return { w, delta, constants: [one] };
}

/** Reads V times the lengths over the norms of its columns. */
export function readColumnNorm(
  model: Model,
  value: Value,
  wanted: PlannedLayer,
  { alpha, flipped }: { readonly alpha: number; readonly flipped: boolean },
): ReadWrap | string {
  const [sum, factor] = operandsOfNode(beforeCast(value), 'Mul');
  const [wide, delta] = operandsOfNode(sum, 'Add');
  const [lengths, divisor] = operandsOfNode(factor, 'Div');
  if (!wide || !delta || !lengths || !divisor) return OTHERWISE;
  const [norm, size] = alpha === -1 || alpha === 1 ? [divisor, null] : operandsOfNode(divisor, 'Mul');
  const column = flipped && lengths.producer?.opKey === 'Unsqueeze' ? lengths.producer.inputs : [lengths];
  const read = norm?.producer;
  const fits =
    column[0] === wanted.factors.at(-1) &&
    (size === null || (size && storedNumber(model, size) === Math.fround(Math.abs(alpha)))) &&
    read?.opKey === 'ReduceL2' &&
    read.inputs[0] === sum &&
    axisOf(read) === (flipped ? 1 : 0);
  if (!fits) return OTHERWISE;
  const constants = [size, read.inputs[1], column[1]].filter((each) => each !== null && each !== undefined);
  const half = value.producer?.opKey === 'Cast';
  return { w: half ? beforeCast(wide)! : wide, delta, constants };
}

/** The one axis that a ReduceL2 reduces and keeps; null for any other. */
function axisOf(node: Node): number | null {
  const attr = node.attrs.get('axes');
  const given = node.inputs[1];
  const data = given && constantData(given);
  const axes = attr?.kind === 'ints' ? attr.value.map(Number) : data?.dtype === 'i64' ? toIntegers(data) : [];
  const keeps = node.attrs.get('keepdims');
  const kept = keeps?.kind !== 'int' || Number(keeps.value) === 1;
  return axes.length === 1 && kept ? axes[0]! : null;
}

/** Inputs of the node of that operator that gives a value; none where another one does. */
export function operandsOfNode(
  value: Value | null | undefined,
  op: string,
): readonly (Value | null | undefined)[] {
  const { producer } = value ?? {};
  return producer?.opKey === op ? producer.inputs : [];
}

/** A value before the Cast that lowering writes for layers that are not float32. */
export function beforeCast(value: Value | null | undefined): Value | null | undefined {
  const { producer } = value ?? {};
  return producer?.opKey === 'Cast' ? producer.inputs[0] : value;
}
