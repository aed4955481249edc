import { type Attr, type Attrs, type ElementType, type Nd, sizeOf, whole } from './graph.js';
import { rounded } from './round.js';
import {
  axisOf,
  broadcastShape,
  elementAt,
  filled,
  indexes,
  permuted,
  reshaped,
  stridesOf,
} from './tensors.js';

/** What the ONNX specification says an operator computes, in float64. */
export type Compute = (inputs: readonly (Nd | null)[], attrs: Attrs, outputs: number) => readonly Nd[];

export const intOf = (attr: Attr | undefined, otherwise: number): number =>
  attr?.kind === 'int' ? attr.value : otherwise;
export const floatOf = (attr: Attr | undefined, otherwise: number): number =>
  attr?.kind === 'float' ? attr.value : otherwise;
export const intsOf = (attr: Attr | undefined): readonly number[] | null =>
  attr?.kind === 'ints' ? attr.value : null;

/** Element types by their numbers in ONNX. */
export const TYPE_NUMBERS: Readonly<Record<ElementType, number>> = {
  f32: 1,
  u8: 2,
  i8: 3,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  f64: 11,
  bf16: 16,
};

const byNumber = new Map(Object.entries(TYPE_NUMBERS).map(([name, number]) => [number, name as ElementType]));

/** erf by its power series and, beyond 3, its continued fraction: as exact as float64 is. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let term = size;
    let sum = size;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-size * size) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / ((size + fraction) * Math.sqrt(Math.PI)));
}

const unary =
  (f: (x: number, attrs: Attrs) => number): Compute =>
  ([x], attrs) => [{ ...x!, data: x!.data.map((v) => f(v, attrs)) }];

const binary =
  (f: (a: number, b: number) => number, dtype?: ElementType): Compute =>
  ([a, b]) => [
    filled(dtype ?? a!.dtype, broadcastShape(a!.shape, b!.shape), (at) =>
      f(elementAt(a!, at), elementAt(b!, at)),
    ),
  ];

const shaped =
  (shape: (x: Nd, inputs: readonly (Nd | null)[], attrs: Attrs) => readonly number[]): Compute =>
  (inputs, attrs) => [reshaped(inputs[0]!, shape(inputs[0]!, inputs, attrs))];

/** For each line along an axis: the elements in, the elements out. */
function alongAxis(x: Nd, axis: number, f: (line: number[]) => readonly number[]): Nd {
  const step = stridesOf(x.shape)[axis] ?? 1;
  const extent = x.shape[axis] ?? 1;
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < x.data.length; start++) {
    if (Math.floor(start / step) % extent !== 0) continue;
    const line = f(Array.from({ length: extent }, (_, k) => x.data[start + k * step]!));
    for (const [k, value] of line.entries()) data[start + k * step] = value;
  }
  return { ...x, data };
}

function softmax(line: readonly number[]): readonly number[] {
  const top = Math.max(...line);
  const powers = line.map((v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

function reduce(f: (values: readonly number[]) => number): Compute {
  return ([x, given], attrs) => {
    const rank = x!.shape.length;
    const listed = given ? [...given.data] : (intsOf(attrs.axes) ?? []);
    if (listed.length === 0 && intOf(attrs.noop_with_empty_axes, 0) !== 0) return [x!];
    const axes =
      listed.length > 0 ? listed.map((axis) => axisOf(axis, rank)) : x!.shape.map((_, axis) => axis);
    const kept = x!.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const steps = stridesOf(x!.shape);
    const inner = axes.map((axis) => x!.shape[axis]!);
    const all = filled(x!.dtype, kept, (at) => {
      const start = at.reduce((sum, index, axis) => sum + index * steps[axis]!, 0);
      const values: number[] = [];
      for (const deep of indexes(inner))
        values.push(x!.data[deep.reduce((sum, index, k) => sum + index * steps[axes[k]!]!, start)]!);
      return f(values);
    });
    if (intOf(attrs.keepdims, 1) !== 0) return [all];
    return [
      reshaped(
        all,
        kept.filter((_, axis) => !axes.includes(axis)),
      ),
    ];
  };
}

function slice([x, starts, ends, axes, steps]: readonly (Nd | null)[]): Nd {
  const rank = x!.shape.length;
  const from = new Array<number>(rank).fill(0);
  const by = new Array<number>(rank).fill(1);
  const shape = [...x!.shape];
  for (const [k, start] of starts!.data.entries()) {
    const axis = axisOf(axes ? axes.data[k]! : k, rank);
    const extent = x!.shape[axis]!;
    const step = steps ? steps.data[k]! : 1;
    const clamp = (v: number, low: number, high: number) =>
      Math.min(Math.max(v < 0 ? v + extent : v, low), high);
    const first = step > 0 ? clamp(start, 0, extent) : clamp(start, 0, extent - 1);
    const last = step > 0 ? clamp(ends!.data[k]!, 0, extent) : clamp(ends!.data[k]!, -1, extent - 1);
    from[axis] = first;
    by[axis] = step;
    shape[axis] = Math.max(0, Math.ceil((last - first) / step));
  }
  const strides = stridesOf(x!.shape);
  return filled(
    x!.dtype,
    shape,
    (at) =>
      x!.data[at.reduce((sum, index, axis) => sum + (from[axis]! + index * by[axis]!) * strides[axis]!, 0)]!,
  );
}

export function concat(parts: readonly Nd[], given: number): Nd {
  const axis = axisOf(given, parts[0]!.shape.length);
  const shape = [...parts[0]!.shape];
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
  const bounds: number[] = [];
  let end = 0;
  for (const part of parts) {
    end += part.shape[axis]!;
    bounds.push(end);
  }
  return filled(parts[0]!.dtype, shape, (at) => {
    const k = bounds.findIndex((bound) => at[axis]! < bound);
    const own = at.map((index, j) => (j === axis ? index - (bounds[k - 1] ?? 0) : index));
    return elementAt(parts[k]!, own);
  });
}

function split(x: Nd, given: Nd | null, attrs: Attrs, count: number): readonly Nd[] {
  const axis = axisOf(intOf(attrs.axis, 0), x.shape.length);
  const extent = x.shape[axis]!;
  const each = Math.ceil(extent / count);
  const sizes = given
    ? [...given.data]
    : Array.from({ length: count }, (_, k) => Math.min(each, extent - k * each));
  let start = 0;
  return sizes.map((size) => {
    const from = start;
    start += size;
    return slice([x, whole([from]), whole([from + size]), whole([axis]), null]);
  });
}

function gather(x: Nd, indices: Nd, axis: number): Nd {
  const lead = x.shape.slice(0, axis);
  const tail = x.shape.slice(axis + 1);
  const strides = stridesOf(x.shape);
  return filled(x.dtype, [...lead, ...indices.shape, ...tail], (at) => {
    const picked = elementAt(indices, at.slice(axis, axis + indices.shape.length));
    const index = picked < 0 ? picked + x.shape[axis]! : picked;
    const own = [...at.slice(0, axis), index, ...at.slice(axis + indices.shape.length)];
    return x.data[own.reduce((sum, position, k) => sum + position * strides[k]!, 0)]!;
  });
}

function layerNorm([x, scale, bias]: readonly (Nd | null)[], attrs: Attrs): Nd {
  const axis = axisOf(intOf(attrs.axis, -1), x!.shape.length);
  const epsilon = floatOf(attrs.epsilon, 1e-5);
  const count = sizeOf(x!.shape.slice(axis));
  const data = new Float64Array(x!.data.length);
  for (let start = 0; start < data.length; start += count) {
    const row = x!.data.subarray(start, start + count);
    const mean = row.reduce((a, b) => a + b, 0) / count;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count;
    for (let k = 0; k < count; k++)
      data[start + k] =
        ((row[k]! - mean) / Math.sqrt(variance + epsilon)) * scale!.data[k]! + (bias?.data[k] ?? 0);
  }
  return { ...x!, data };
}

function dequantize([x, scale, zero]: readonly (Nd | null)[], attrs: Attrs): Nd {
  const axis = axisOf(intOf(attrs.axis, 1), x!.shape.length);
  return filled(scale!.dtype, x!.shape, (at) => {
    const k = scale!.shape.length === 0 ? 0 : at[axis]!;
    return (elementAt(x!, at) - (zero?.data[k] ?? 0)) * scale!.data[k]!;
  });
}

const geluOf = (x: number, attrs: Attrs): number =>
  attrs.approximate?.kind === 'string' && attrs.approximate.value === 'tanh'
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2));

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** By domain and name; what multiplies by a weight is in `layers.ts`. */
export const OPS: Readonly<Record<string, Compute>> = {
  Identity: ([x]) => [x!],
  Relu: unary((x) => Math.max(x, 0)),
  LeakyRelu: unary((x, attrs) => (x < 0 ? floatOf(attrs.alpha, 0.01) * x : x)),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary((x) => Math.log1p(Math.exp(x))),
  Erf: unary(erf),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Gelu: unary(geluOf),
  'com.microsoft::Gelu': unary(geluOf),
  'com.microsoft::QuickGelu': unary((x, attrs) => x * sigmoid(floatOf(attrs.alpha, 1.702) * x)),
  // of an operator set that lotrc has no definitions for
  'com.microsoft::ExpandDims': ([x, axis]) => {
    const shape = [...x!.shape];
    shape.splice(axisOf(axis!.data[0]!, shape.length + 1), 0, 1);
    return [reshaped(x!, shape)];
  },
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Pow: binary((a, b) => a ** b),
  Less: binary((a, b) => Number(a < b), 'bool'),
  Max: (inputs) => [inputs.map((x) => x!).reduce((a, b) => binary(Math.max)([a, b], {}, 1)[0]!)],
  Sum: (inputs) => [inputs.map((x) => x!).reduce((a, b) => binary((x, y) => x + y)([a, b], {}, 1)[0]!)],
  Where: ([choice, a, b]) => [
    filled(a!.dtype, broadcastShape(choice!.shape, a!.shape, b!.shape), (at) =>
      elementAt(elementAt(choice!, at) !== 0 ? a! : b!, at),
    ),
  ],
  Clip: ([x, low, high]) => [
    {
      ...x!,
      data: x!.data.map((v) => Math.min(Math.max(v, low?.data[0] ?? -Infinity), high?.data[0] ?? Infinity)),
    },
  ],
  Cast: ([x], attrs) => {
    const dtype = byNumber.get(intOf(attrs.to, 1))!;
    return [{ ...x!, dtype, data: x!.data.map((v) => rounded(v, dtype)) }];
  },
  Softmax: ([x], attrs) => [alongAxis(x!, axisOf(intOf(attrs.axis, -1), x!.shape.length), softmax)],
  LogSoftmax: ([x], attrs) => [
    alongAxis(x!, axisOf(intOf(attrs.axis, -1), x!.shape.length), (line) => softmax(line).map(Math.log)),
  ],
  LayerNormalization: (inputs, attrs) => [layerNorm(inputs, attrs)],
  ReduceSum: reduce((values) => values.reduce((a, b) => a + b, 0)),
  ReduceMean: reduce((values) => values.reduce((a, b) => a + b, 0) / values.length),
  ReduceMax: reduce((values) => Math.max(...values)),
  Reshape: shaped((x, [, target], attrs) => {
    const keeps = intOf(attrs.allowzero, 0) === 0;
    const given = [...target!.data].map((extent, axis) => (extent === 0 && keeps ? x.shape[axis]! : extent));
    const known = given.reduce((product, extent) => (extent < 0 ? product : product * extent), 1);
    return given.map((extent) => (extent < 0 ? x.data.length / known : extent));
  }),
  Flatten: shaped((x, _, attrs) => {
    const axis = axisOf(intOf(attrs.axis, 1), x.shape.length);
    return [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))];
  }),
  Squeeze: shaped((x, [, axes]) => {
    const gone = axes ? [...axes.data].map((axis) => axisOf(axis, x.shape.length)) : null;
    return x.shape.filter((extent, axis) => (gone ? !gone.includes(axis) : extent !== 1));
  }),
  Unsqueeze: shaped((x, [, axes]) => {
    const rank = x.shape.length + axes!.data.length;
    const at = [...axes!.data].map((axis) => axisOf(axis, rank));
    const left = [...x.shape];
    return Array.from({ length: rank }, (_, axis) => (at.includes(axis) ? 1 : left.shift()!));
  }),
  Transpose: ([x], attrs) => [permuted(x!, intsOf(attrs.perm) ?? x!.shape.map((_, axis) => axis).reverse())],
  Expand: ([x, shape]) => [
    filled(x!.dtype, broadcastShape(x!.shape, [...shape!.data]), (at) => elementAt(x!, at)),
  ],
  Tile: ([x, repeats]) => [
    filled(
      x!.dtype,
      x!.shape.map((extent, axis) => extent * repeats!.data[axis]!),
      (at) =>
        elementAt(
          x!,
          at.map((index, axis) => index % x!.shape[axis]!),
        ),
    ),
  ],
  Pad: ([x, pads, value]) => [
    filled(
      x!.dtype,
      x!.shape.map((extent, axis) => extent + pads!.data[axis]! + pads!.data[x!.shape.length + axis]!),
      (at) => {
        const own = at.map((index, axis) => index - pads!.data[axis]!);
        return own.every((index, axis) => index >= 0 && index < x!.shape[axis]!)
          ? elementAt(x!, own)
          : (value?.data[0] ?? 0);
      },
    ),
  ],
  Slice: (inputs) => [slice(inputs)],
  Concat: (inputs, attrs) => [
    concat(
      inputs.map((x) => x!),
      intOf(attrs.axis, 0),
    ),
  ],
  Split: ([x, sizes], attrs, outputs) => split(x!, sizes ?? null, attrs, outputs),
  Gather: ([x, indices], attrs) => [gather(x!, indices!, axisOf(intOf(attrs.axis, 0), x!.shape.length))],
  Shape: ([x]) => [whole(x!.shape)],
  Constant: (_, { value }) => [(value as { value: Nd }).value],
  DequantizeLinear: (inputs, attrs) => [dequantize(inputs, attrs)],
};
