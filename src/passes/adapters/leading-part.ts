import { attrInts } from '../../ir/attr.js';
import { GraphBuilder, opsetOf } from '../../ir/builder.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';
import { toIntegers } from '../../ir/values.js';
import { eraseDead } from './erase.js';
import { addStored, dropStored } from './stored-weight.js';

/** Leading parts of factors that layers of several extents share (`slice` in a description): a Slice in the main graph. */

/** The leading part of a stored factor with that shape, which is made if need be; the factor itself where it is not larger. */
export function leadingPart(model: Model, factor: Value, shape: readonly number[]): Value {
  const held = readPart(factor, shape);
  if (held) return held;
  const { graph } = model;
  const b = new GraphBuilder(graph, { before: graph.nodes.first, pass: 'insert-adapters' });
  const name = `${factor.name}/${shape.join('x')}`;
  const starts = shape.map(() => 0);
  const numbers = (hint: string, values: readonly number[]): Value =>
    addStored(model, graph.names.freshValue(`${name}/${hint}`), i64Tensor([values.length], values));
  const part =
    opsetOf(graph) < 10
      ? b.one('Slice', [factor], { starts: attrInts(starts), ends: attrInts(shape) }, name)
      : b.one('Slice', [factor, numbers('starts', starts), numbers('ends', shape)], {}, name);
  part.setType(tensorType('f32', shape));
  return part;
}

/** The value that layers of that shape read: the factor, or its leading part; null when there is none. */
export function readPart(factor: Value, shape: readonly number[]): Value | null {
  const own = factor.constant?.shape ?? (factor.type?.kind === 'tensor' ? factor.type.shape : null);
  if (!own?.some((extent, axis) => typeof extent === 'number' && extent !== shape[axis])) return factor;
  for (const node of partsOf(factor)) {
    const [, starts, ends, ...more] = node.inputs;
    const [from, to] = [numbersOf(node, 'starts', starts), numbersOf(node, 'ends', ends)];
    const zero = from?.every((start) => start === 0) ?? false;
    if (zero && more.length === 0 && to?.join() === shape.join()) return node.outputs[0]!;
  }
  return null;
}

/** The stored factor that a layer reads, whole or in part. */
export function wholeFactor(value: Value): Value {
  const { producer } = value;
  return producer?.opKey === 'Slice' && producer.inputs[0] ? producer.inputs[0] : value;
}

/** Removes the parts of a factor that no layer reads any more. */
export function dropLeadingParts(model: Model, factor: Value): void {
  for (const node of partsOf(factor)) {
    const numbers = node.inputs.slice(1);
    eraseDead(node);
    for (const value of numbers) if (value) dropStored(model, value);
  }
}

const partsOf = (factor: Value): readonly Node[] =>
  [...factor.uses].flatMap(({ node, index }) => (node.opKey === 'Slice' && index === 0 ? [node] : []));

function numbersOf(node: Node, name: string, input: Value | null | undefined): readonly number[] | null {
  const attr = node.attrs.get(name);
  if (attr?.kind === 'ints') return attr.value.map(Number);
  return input?.constant?.dtype === 'i64' ? toIntegers(input.constant) : null;
}
