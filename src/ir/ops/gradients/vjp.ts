import type { Node, OpName, Value } from '../../model.js';
import { attrsOf } from '../attrs.js';
import type { AttrsOf, GradBuilder, Refusal } from '../define.js';

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

/** No gradient for any input: the op's outputs are piecewise constant. */
export const noGradient: Vjp = (_b, node) => node.inputs.map(() => null);
