import { constantData } from '../../constants.js';
import { isFloat } from '../../dtype.js';
import type { Node, OpName, Value } from '../../model.js';
import { toF64, toIntegers } from '../../values.js';
import { attrsOf } from './attrs.js';
import type { AttrsOf, GradBuilder, Refusal } from './define.js';

export type Grads = readonly (Value | null)[];

/** The gradient rule of an op: see `OpDef.vjp`. */
export type Vjp = (b: GradBuilder, node: Node, grads: Grads) => Grads | Refusal;

/** An input that the op requires. */
export function input(node: Node, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`node "${node.label}" (${node.op}) has no input ${index}`);
  return value;
}

/** Output `index` of a node, made when the node does not deliver it yet; skipped ones stay empty. It has the type of `like`. */
export function extraOutput(b: GradBuilder, node: Node, index: number, like: Value | null = null): Value {
  while (node.outputs.length < index) node.addOutput('');
  const held = node.outputs[index];
  if (held && held.name !== '') return held;
  const name = b.graph.names.freshValue(`${node.outputs[0]!.name}/stat${index}`);
  const made = held ?? node.addOutput(name);
  if (held) held.rename(name);
  if (like) made.setType(like.type, true);
  return made;
}

/** Typed attributes of a node known to be of that op. */
export function attributes<Op extends OpName>(node: Node, _op: Op): AttrsOf<Op> {
  return attrsOf(node as unknown as Node<Op>);
}

/** An axis in 0..rank-1. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** A rule of one input, one output: dy -> dx. */
export function unaryVjp(rule: (b: GradBuilder, dy: Value, x: Value, y: Value) => Value): Vjp {
  return (b, node, [dy]) => [dy ? rule(b, dy, input(node, 0), node.outputs[0]!) : null];
}

/**
 * A shape that only a run knows, though it is always the same: a runtime that folds constants would otherwise unpack every
 * weight when the session opens, and hold it at four or eight times its size.
 */
export function runTimeShape(b: GradBuilder, like: Value, shape: readonly number[]): Value {
  const first = b.one('Slice', [b.one('Shape', [like]), b.ints([0]), b.ints([1])]);
  return b.one('Add', [b.ints(shape), b.one('Mul', [first, b.ints([0])])]);
}

/** Data of an initializer or of a Constant node's `value`, through Identity and Cast-free chains. */
export function constantOf(value: Value) {
  const { producer } = value;
  if (!value.constant && producer?.opKey === 'Identity' && producer.inputs[0])
    return constantOf(producer.inputs[0]);
  return constantData(value);
}

/** The only number of a constant float or integer tensor of one element, or null. */
export function constantScalar(value: Value): number | null {
  const data = constantOf(value);
  if (data?.shape.reduce((a, c) => a * c, 1) !== 1) return null;
  return (isFloat(data.dtype) ? toF64(data)[0] : toIntegers(data)[0]) ?? null;
}

/** dy where the condition holds, else 0. `like` is a forward value of the same element type. */
export function keepWhere(b: GradBuilder, condition: Value, dy: Value, like: Value): Value {
  return b.one('Where', [condition, dy, b.scalar(0, like)]);
}
