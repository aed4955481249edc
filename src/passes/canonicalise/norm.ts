import { attrFloat, attrInt } from '../../ir/attr.js';
import { opsetOf } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import { staticShape, type TensorType } from '../../ir/shape.js';
import { dataOf, integersOf, scalarOf } from './constants.js';
import { followed, onlyReader, readOnlyWithin } from './follow.js';
import type { FusedOperator } from './fused-operator.js';

/**
 * The layer or RMS normalisation whose standard deviation or root mean square this Sqrt computes, over the last axes;
 * null when it is something else. y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) w + b, or without means and b.
 */
export function normAt(node: Node): FusedOperator | null {
  if (node.opKey !== 'Sqrt' || !node.graph) return null;
  const spread = spreadOf(node);
  if (!spread) return null;
  const { x, deviation, first, dims, centred, epsilon } = spread;
  const normalised = quotient(node, deviation);
  if (!normalised) return null;
  const scaled = withConstant(normalised, 'Mul', dims);
  const shifted = centred ? withConstant(scaled?.root ?? normalised, 'Add', dims) : null;
  const root = shifted?.root ?? scaled?.root ?? normalised;
  if (!readOnlyWithin(root, [x, scaled?.constant, shifted?.constant])) return null;
  const op = centred
    ? 'LayerNormalization'
    : opsetOf(node.graph) >= 23
      ? 'RMSNormalization'
      : 'SimplifiedLayerNormalization';
  return {
    root,
    inputs: [x, scaled?.constant ?? { ones: dims }, ...(shifted ? [shifted.constant] : [])],
    op,
    domain: '',
    attrs: { axis: attrInt(first), epsilon: attrFloat(epsilon), stash_type: attrInt(1) },
  };
}

interface Spread {
  readonly x: Value;
  /** x, or x - mean(x): what is squared */
  readonly deviation: Value;
  /** first normalised axis, counted from the end */
  readonly first: number;
  /** extents from that axis on */
  readonly dims: readonly number[];
  readonly centred: boolean;
  readonly epsilon: number;
}

/** The parts of sqrt(mean(deviation^2) + epsilon). */
function spreadOf(root: Node): Spread | null {
  const [variance, epsilon] = withScalar(root.inputs[0], 'Add') ?? [];
  const mean = variance && meanOf(variance);
  const deviation = mean && squared(mean.of);
  if (!deviation || epsilon === undefined || epsilon < 0) return null;
  const subtracted = difference(deviation);
  const other = subtracted && meanOf(subtracted.right);
  const centred = !!other && followed(other.of) === subtracted.left && other.first === mean.first;
  return {
    x: centred ? subtracted.left : deviation,
    deviation,
    first: mean.first,
    dims: mean.dims,
    centred,
    epsilon,
  };
}

/** A ReduceMean over the last axes, all of static extent, that keeps them: what it averages. */
function meanOf(value: Value): { of: Value; first: number; dims: readonly number[] } | null {
  const node = followed(value).producer;
  const x = node?.inputs[0];
  const type = x?.type;
  if (node?.opKey !== 'ReduceMean' || type?.kind !== 'tensor' || !type.shape) return null;
  const keep = node.attrs.get('keepdims');
  if (keep?.kind === 'int' && Number(keep.value) !== 1) return null;
  const axes = axesOf(node, type);
  const rank = type.shape.length;
  const count = axes?.length ?? 0;
  if (count === 0 || !axes!.every((axis, i) => axis === rank - count + i)) return null;
  const dims = staticShape(type.shape.slice(-count));
  return dims && { of: followed(x!), first: -count, dims };
}

/** Axes as attribute or input, counted from the front and in order; null when computed or left out. */
function axesOf(node: Node, { shape }: TensorType): readonly number[] | null {
  const attr = node.attrs.get('axes');
  const input = node.inputs[1];
  const given = attr?.kind === 'ints' ? attr.value.map(Number) : input ? integersOf(input) : null;
  return given?.map((axis) => (axis < 0 ? axis + shape!.length : axis)).sort((a, b) => a - b) ?? null;
}

/** The d of Pow(d, 2) or d * d. */
function squared(value: Value): Value | null {
  const node = followed(value).producer;
  const [a, b] = node?.inputs ?? [];
  if (!a || !b) return null;
  if (node!.opKey === 'Pow') return scalarOf(followed(b)) === 2 ? followed(a) : null;
  return node!.opKey === 'Mul' && followed(a) === followed(b) ? followed(a) : null;
}

function difference(value: Value): { left: Value; right: Value } | null {
  const node = value.producer;
  const [a, b] = node?.inputs ?? [];
  return node?.opKey === 'Sub' && a && b ? { left: followed(a), right: followed(b) } : null;
}

/** Whether two values are one value, or the same difference computed twice, as some exporters do. */
function alike(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [p, q] = [difference(a), difference(b)];
  return !!p && !!q && p.left === q.left && p.right === q.right;
}

/** The node that divides the deviation by the root: Div, or Mul with the root's reciprocal. */
function quotient(root: Node, deviation: Value): Node | null {
  const reader = onlyReader(root.outputs[0]!);
  if (!reader) return null;
  const [numerator, divisor] = reader.inputs.map((input) => input && followed(input));
  if (reader.opKey === 'Div' && divisor === root.outputs[0] && numerator) {
    if (alike(numerator, deviation)) return reader;
    return scalarOf(numerator) === 1 ? product(reader, deviation) : null;
  }
  return reader.opKey === 'Reciprocal' ? product(reader, deviation) : null;
}

function product(inverse: Node, deviation: Value): Node | null {
  const reader = onlyReader(inverse.outputs[0]!);
  if (reader?.opKey !== 'Mul') return null;
  const others = reader.inputs.filter((input) => input && followed(input) !== inverse.outputs[0]);
  return others.length === 1 && alike(followed(others[0]!), deviation) ? reader : null;
}

/** The only reader of a node, when it is that operator with a constant of exactly the normalised extents. */
function withConstant(
  node: Node,
  op: string,
  dims: readonly number[],
): { root: Node; constant: Value } | null {
  const root = onlyReader(node.outputs[0]!);
  if (root?.opKey !== op) return null;
  const constant = root.inputs.map((input) => followed(input!)).find((input) => input !== node.outputs[0]);
  const data = constant && dataOf(constant);
  const fits = data?.dtype === 'f32' && data.shape.join() === dims.join();
  return constant && fits ? { root, constant } : null;
}

/** [value, scalar] of a node of that operator with one scalar constant. */
function withScalar(value: Value | null | undefined, op: string): [Value, number] | null {
  const node = value && followed(value).producer;
  const [a, b] = node?.inputs ?? [];
  if (!a || !b || node!.opKey !== op) return null;
  const [left, right] = [scalarOf(followed(a)), scalarOf(followed(b))];
  if (left !== null) return right === null ? [followed(b), left] : null;
  return right === null ? null : [followed(a), right];
}
