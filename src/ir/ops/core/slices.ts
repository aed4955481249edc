import type { Node, Value } from '../../model.js';
import { type Dim, type Shape, sameDim } from '../../shape.js';
import { i64Tensor } from '../../tensor.js';
import type { Slices } from './define.js';
import { productOf } from './dims.js';
import { shapeAt } from './rules.js';

/** Shape of the first output; null when it is unknown. */
function resultOf(node: Node): Shape | null {
  const type = node.outputs[0]?.type;
  return type?.kind === 'tensor' ? type.shape : null;
}

/** Where an axis of the output lies in an input that broadcasts to it: null where it is stretched or absent. */
function broadcastAxis(from: Shape, to: Shape, axis: number): number | null | undefined {
  const at = axis - (to.length - from.length);
  if (at < 0 || from[at] === 1) return null;
  return sameDim(from[at] ?? null, to[axis] ?? null) ? at : undefined;
}

/** Elementwise ops: every axis, inputs broadcast to the output. */
export function elementwiseSlices(node: Node, axis: number): Slices | null {
  const result = resultOf(node);
  if (!result || result[axis] === 1) return null;
  const axes: (number | null)[] = [];
  for (const [index, input] of node.inputs.entries()) {
    const shape = input && shapeAt(node, index);
    if (input && !shape) return null;
    const at = shape ? broadcastAxis(shape, result, axis) : null;
    if (at === undefined) return null;
    axes.push(at);
  }
  return axes.some((at) => at !== null) ? { axes } : null;
}

/** MatMul: the rows of the left matrix, and leading axes. */
export function matmulSlices(node: Node, axis: number): Slices | null {
  const [a, b, y] = [shapeAt(node, 0), shapeAt(node, 1), resultOf(node)];
  if (!a || !b || !y || a.length < 2 || b.length < 2 || axis === y.length - 1 || y[axis] === 1) return null;
  const row = axis === y.length - 2;
  const left = row ? a.length - 2 : broadcastAxis(a.slice(0, -2), y.slice(0, -2), axis);
  const right = row ? null : broadcastAxis(b.slice(0, -2), y.slice(0, -2), axis);
  return left === undefined || right === undefined ? null : { axes: [left, right] };
}

/** Gemm: the rows of A; C goes along unless it is one row for all. */
export function gemmSlices(node: Node, axis: number): Slices | null {
  const [c, y] = [shapeAt(node, 2), resultOf(node)];
  const transA = node.attrs.get('transA');
  if (axis !== 0 || !y || (transA?.kind === 'int' && Number(transA.value) !== 0)) return null;
  if (!node.inputs[2]) return { axes: [0, null] };
  const along = c ? broadcastAxis(c, y, 0) : undefined;
  return along === undefined ? null : { axes: [0, null, along] };
}

/** Ops that work on lines or blocks from `first` on: the axes before it go along in the first input. */
export function leadingSlices(node: Node, axis: number, first: number): Slices | null {
  const shape = shapeAt(node, 0);
  if (!shape || axis >= (first < 0 ? first + shape.length : first)) return null;
  return { axes: node.inputs.map((_, index) => (index === 0 ? axis : null)) };
}

/** Ops on lines along one axis: all other axes go along. */
export function otherAxesSlices(node: Node, axis: number, line: number): Slices | null {
  const shape = shapeAt(node, 0);
  if (!shape || axis === (line < 0 ? line + shape.length : line)) return null;
  return { axes: node.inputs.map((_, index) => (index === 0 ? axis : null)) };
}

/** Transpose: axis k of the output is axis perm[k] of the input. */
export function transposeSlices(node: Node, axis: number): Slices | null {
  const shape = shapeAt(node, 0);
  const perm = node.attrs.get('perm');
  if (!shape) return null;
  const at = perm?.kind === 'ints' ? Number(perm.value[axis]) : shape.length - 1 - axis;
  return { axes: [at < 0 ? at + shape.length : at] };
}

function targetOf(from: Shape, to: Shape, at: number, axis: number): number[] | null {
  let open = 0;
  const entry = (dim: Dim, k: number): number => {
    if (k === axis) return 1;
    if (typeof dim === 'number') return dim;
    if (k !== at && dim !== null && k < from.length && sameDim(from[k]!, dim)) return 0;
    open++;
    return -1;
  };
  const target = to.map(entry);
  return open <= 1 && !target.some((dim, k) => dim === 0 && to[k] === 0) ? target : null;
}

/**
 * Reshape where an axis stays what it is: as many elements before it, the same extent (heads split off the last axis, or
 * joined to it). For one index the target shape is written again: 1 at the axis, 0 where an extent is that of the input.
 */
export function reshapeSlices(node: Node, axis: number): Slices | null {
  const [from, to] = [shapeAt(node, 0), resultOf(node)];
  if (!from || !to || (to[axis] ?? null) === null) return null;
  const before = productOf(to.slice(0, axis));
  const at = from.findIndex(
    (dim, k) => sameDim(dim, to[axis]!) && before !== null && sameDim(productOf(from.slice(0, k)), before),
  );
  const target = at < 0 ? null : targetOf(from, to, at, axis);
  if (!target) return null;
  return {
    axes: [at, null],
    one: (b, [x]) => {
      const shape = b.constant(i64Tensor([target.length], target), 'rows/shape');
      return b.node('Reshape', [x as Value, shape])[0]!;
    },
  };
}

/** Reductions that keep their axes: those that are not reduced go along. */
export function keptSlices(node: Node, axis: number): Slices | null {
  const [from, to] = [shapeAt(node, 0), resultOf(node)];
  if (!from || from.length !== to?.length || to[axis] === 1 || !sameDim(from[axis]!, to[axis]!)) return null;
  return { axes: node.inputs.map((_, index) => (index === 0 ? axis : null)) };
}
