import { attrInt } from '../../ir/attr.js';
import { isFloat } from '../../ir/dtype.js';
import type { Graph, Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import { MemoryTensor } from '../../ir/tensor.js';
import type { TrainBuilder } from './builder.js';

/** What a host writes into labels that do not count in losses on numbers: the largest float32. */
export const IGNORE_VALUE = 3.4028234663852886e38;
/** Targets above this do not count. */
const LARGEST_TARGET = 3e38;

/**
 * Which targets are left out (bool, the shape of `target`), how many count (f32, rank 0), and what sums are divided by.
 * Targets above 3e38 do not count, as labels equal to `ignoreIndex` do not in cross-entropy. NaN counts, and makes the
 * loss NaN.
 */
export function counted(b: TrainBuilder, target: Value) {
  const ignored = b.one('Greater', [target, b.f32(LARGEST_TARGET)], {}, 'loss/ignored');
  const weight = b.one('Cast', [b.one('Not', [ignored])], { to: attrInt(1) });
  const count = b.sumAll(weight, 'loss/count');
  return { ignored, count, divisor: b.one('Max', [count, b.f32(1)]) };
}

/** As `counted`, for labels that count or not with all numbers of a position: the first number says it. [..., 1] */
export function countedRows(b: TrainBuilder, target: Value) {
  const first = b.one('Gather', [target, b.i64([0])], { axis: attrInt(-1) });
  return counted(b, first);
}

/** The last extent of logits, where it is known before a run. */
export function classesOf(logits: Value): number | null {
  const last = shapeOf(logits)?.at(-1);
  return typeof last === 'number' ? last : null;
}

/** Loss arithmetic is float32 whatever the model computes in. */
export function asF32(b: TrainBuilder, value: Value): Value {
  const { type } = value;
  if (type?.kind !== 'tensor' || type.dtype === 'f32' || !isFloat(type.dtype)) return value;
  const cast = b.one('Cast', [value], { to: attrInt(1) });
  cast.setType(tensorType('f32', type.shape));
  return cast;
}

/** 0 .. classes-1 as i32: a constant when the extent is known. */
export function classRange(b: TrainBuilder, logits: Value, classes: number | null): Value {
  if (classes !== null) {
    const data = Int32Array.from({ length: classes }, (_, i) => i);
    return b.constant(new MemoryTensor('i32', [classes], new Uint8Array(data.buffer)), 'loss/classes');
  }
  return b.one('Range', [b.i32(0), classCount(b, logits, null), b.i32(1)]);
}

/** The number of classes as i32, rank 0: a constant when the extent is known. */
export function classCount(b: TrainBuilder, logits: Value, classes: number | null): Value {
  return classes === null ? b.one('Cast', [b.lastExtent(logits)], { to: attrInt(6) }) : b.i32(classes);
}

/** Which labels are classes, 0 to `count` - 1. */
export function areClasses(b: TrainBuilder, labels: Value, count: Value): Value {
  return b.one('And', [b.one('Not', [b.one('Less', [labels, b.i32(0)])]), b.one('Less', [labels, count])]);
}

/** The parts of a softmax over the last axis: p = exp / sum, log p = shifted - logSum. */
export function softmaxParts(b: TrainBuilder, logits: Value) {
  const shifted = b.one('Sub', [logits, b.reduce('ReduceMax', logits, -1, true)]);
  const exp = b.one('Exp', [shifted]);
  const sum = b.reduce('ReduceSum', exp, -1, true);
  return { shifted, exp, sum, logSum: b.one('Log', [sum]) };
}

/** Rows of the batch: the first extent of the first input that has one. */
export function rowsOf(b: TrainBuilder, graph: Graph): Value {
  const input = graph.inputs.find(({ type }) => type?.kind === 'tensor' && (type.shape?.length ?? 0) > 0);
  if (!input) return b.f32(1);
  const first = b.one('Gather', [b.one('Shape', [input]), b.index(0)], { axis: attrInt(0) });
  return b.one('Cast', [first], { to: attrInt(1) });
}
