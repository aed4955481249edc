import { attrInt, attrInts } from '../../attr.js';
import type { Value } from '../../model.js';
import { staticShape } from '../../shape.js';
import { MemoryTensor } from '../../tensor.js';
import { encodeFloats, toIntegers } from '../../values.js';
import type { GradBuilder } from './define.js';
import type { Vjp } from './gradient.js';

/** One entry of an i64 vector, as a vector of length 1. */
export function entry(b: GradBuilder, vector: Value, at: number): Value {
  return b.opset < 10
    ? b.one('Gather', [vector, b.ints([at])])
    : b.one('Slice', [vector, b.ints([at]), b.ints([at + 1])]);
}

/** As `pad`, where Pad takes no computed counts: blocks of zeros joined on. */
function joined(
  b: GradBuilder,
  x: Value,
  rank: number,
  before: Value,
  after: Value,
  axis: number,
  like: Value,
): Value {
  if (b.opset < 8) return b.refuse('padding with computed counts needs opset 8');
  const shape = b.one('Shape', [x]);
  const zeros = (count: Value): Value => {
    const extents = Array.from({ length: rank }, (_, k) => (k === axis ? count : entry(b, shape, k)));
    const wanted = rank === 1 ? count : b.one('Concat', extents, { axis: attrInt(0) });
    return b.one('Expand', [b.scalar(0, like), wanted]);
  };
  return b.one('Concat', [zeros(before), x, zeros(after)], { axis: attrInt(axis) });
}

/** Zeros before and after along some axes of a value of that rank, of the element type of `like`. */
export function padAxes(
  b: GradBuilder,
  x: Value,
  rank: number,
  counts: ReadonlyMap<number, readonly [before: Value, after: Value]>,
  like: Value,
): Value {
  if (b.opset < 11) {
    let wide = x;
    for (const [axis, [before, after]] of counts) wide = joined(b, wide, rank, before, after, axis, like);
    return wide;
  }
  const parts: Value[] = [];
  for (const end of [0, 1] as const) {
    let zeros = 0;
    const flush = () => {
      if (zeros > 0) parts.push(b.ints(new Array<number>(zeros).fill(0)));
      zeros = 0;
    };
    for (let axis = 0; axis < rank; axis++) {
      const count = counts.get(axis)?.[end];
      if (!count) zeros++;
      else {
        flush();
        parts.push(count);
      }
    }
    flush();
  }
  return b.one('Pad', [x, parts.length === 1 ? parts[0]! : b.one('Concat', parts, { axis: attrInt(0) })]);
}

/** Zeros before and after along one axis; counts are i64 vectors of length 1. */
export function pad(b: GradBuilder, x: Value, before: Value, after: Value, axis: number, like: Value): Value {
  return padAxes(b, x, b.rank(like), new Map([[axis, [before, after]]]), like);
}

/** Zeros of a value's shape, without reading the value's data. */
export function zerosLike(b: GradBuilder, x: Value): Value {
  return b.one('Expand', [b.scalar(0, x), b.shapeOf(x)]);
}

/** Contents of a constant integer vector, or null. */
export function constantVector(value: Value): readonly number[] | null {
  const { producer } = value;
  const attr = producer?.opKey === 'Constant' ? producer.attrs.get('value') : undefined;
  const list = producer?.opKey === 'Constant' ? producer.attrs.get('value_ints') : undefined;
  if (list?.kind === 'ints') return list.value.map(Number);
  const data = value.constant ?? (attr?.kind === 'tensor' ? attr.value : null);
  if (!data || (data.dtype !== 'i64' && data.dtype !== 'i32')) return null;
  return toIntegers(data);
}

export function slice(b: GradBuilder, x: Value, from: Value, to: Value, axis: number): Value {
  if (b.opset < 10) {
    const [starts, ends] = [constantVector(from), constantVector(to)];
    if (!starts || !ends) return b.refuse('a slice with computed bounds needs opset 10');
    return b.one('Slice', [x], { axes: attrInts([axis]), starts: attrInts(starts), ends: attrInts(ends) });
  }
  return b.one('Slice', [x, from, to, b.ints([axis])]);
}

/** An axis of extent 1 put in at `axis`. */
export function unsqueezeAxis(b: GradBuilder, x: Value, axis: number): Value {
  return b.opset >= 13
    ? b.one('Unsqueeze', [x, b.ints([axis])])
    : b.one('Unsqueeze', [x], { axes: attrInts([axis]) });
}

/** One extent as an i64 vector of length 1. */
export function extentAt(b: GradBuilder, value: Value, axis: number): Value {
  const dim = b.dims(value)[axis];
  return typeof dim === 'number' ? b.ints([dim]) : entry(b, b.shapeOf(value), axis);
}

/** Contents of an integer vector of the forward graph, all of them numbers, or null. */
export function numbers(b: GradBuilder, value: Value): readonly number[] | null {
  return staticShape(b.contents(value));
}

/** A constant in the element type of `like`. */
export function floats(
  b: GradBuilder,
  { type }: Value,
  shape: readonly number[],
  values: readonly number[],
  name: string,
): Value {
  const dtype = type?.kind === 'tensor' ? type.dtype : b.refuse('the element type of its input is unknown');
  return b.constant(new MemoryTensor(dtype, shape, encodeFloats(dtype, values)), name);
}

/** Attributes of operator sets in which integer lists were not inputs yet. */
export function attributesOf(attrs: Parameters<Vjp>[1]['attrs']): (name: string) => readonly number[] | null {
  return (name) => {
    const attr = attrs.get(name);
    return attr?.kind === 'ints' ? attr.value.map(Number) : null;
  };
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
