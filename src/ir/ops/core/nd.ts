import type { NdArray } from './define.js';

export function map(a: NdArray, f: (x: number) => number): NdArray {
  return { shape: a.shape, data: a.data.map(f) };
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let k = shape.length - 1; k >= 0; k--) {
    strides[k] = step;
    step *= shape[k]!;
  }
  return strides;
}

/** An array whose element at each index is `at(index)`; `index` is reused between calls. */
export function fromIndex(shape: readonly number[], at: (index: readonly number[]) => number): NdArray {
  const data = new Float64Array(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < data.length; flat++) {
    data[flat] = at(index);
    for (let k = shape.length - 1; k >= 0; k--) {
      if (++index[k]! < shape[k]!) break;
      index[k] = 0;
    }
  }
  return { shape, data };
}

/** Offset of an index. */
export function offset(strides: readonly number[], index: readonly number[]): number {
  let at = 0;
  for (let k = 0; k < index.length; k++) at += strides[k]! * index[k]!;
  return at;
}

export function nd(shape: readonly number[], data: ArrayLike<number>): NdArray {
  if (data.length !== sizeOf(shape))
    throw new Error(`[${shape.join(',')}] does not hold ${data.length} elements`);
  return { shape, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

export function reshape(a: NdArray, shape: readonly number[]): NdArray {
  return nd(shape, a.data);
}

/** f over the elements that share all indices but those of `axes`; with `keep` the reduced dimensions stay as 1. */
export function reduce(
  a: NdArray,
  axes: readonly number[],
  keep: boolean,
  f: (values: Float64Array) => number,
): NdArray {
  const inner = axes.map((axis) => a.shape[axis]!);
  const innerStrides = axes.map((axis) => stridesOf(a.shape)[axis]!);
  const kept = a.shape.map((dim, k) => (axes.includes(k) ? 1 : dim));
  const strides = stridesOf(a.shape).map((s, k) => (axes.includes(k) ? 0 : s));
  const result = fromIndex(kept, (index) => {
    const base = offset(strides, index);
    return f(fromIndex(inner, (i) => a.data[base + offset(innerStrides, i)]!).data);
  });
  return keep
    ? result
    : reshape(
        result,
        a.shape.filter((_, k) => !axes.includes(k)),
      );
}

/** Dense float64 arrays for the reference implementations: clarity before speed. */

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export function scalarArray(value: number): NdArray {
  return nd([], [value]);
}

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, k) => {
    let extent = 1;
    for (const shape of shapes) {
      const dim = shape[k - rank + shape.length] ?? 1;
      if (dim !== 1 && extent !== 1 && dim !== extent)
        throw new Error(`cannot broadcast ${JSON.stringify(shapes)}`);
      if (dim !== 1) extent = dim;
    }
    return extent;
  });
}

/** Strides that read `shape` as if it had been broadcast to a shape of rank `rank`. */
function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = stridesOf(shape);
  return Array.from({ length: rank }, (_, k) => {
    const at = k - rank + shape.length;
    return at < 0 || shape[at] === 1 ? 0 : own[at]!;
  });
}

/** f over arrays with numpy broadcasting. */
export function zip(arrays: readonly NdArray[], f: (...xs: number[]) => number): NdArray {
  const shape = broadcastShape(arrays.map((a) => a.shape));
  const strides = arrays.map((a) => broadcastStrides(a.shape, shape.length));
  return fromIndex(shape, (index) => f(...arrays.map((a, i) => a.data[offset(strides[i]!, index)]!)));
}

export function broadcastTo(a: NdArray, shape: readonly number[]): NdArray {
  const strides = broadcastStrides(a.shape, shape.length);
  return fromIndex(shape, (index) => a.data[offset(strides, index)]!);
}

export function transpose(a: NdArray, perm: readonly number[]): NdArray {
  const strides = stridesOf(a.shape);
  const transposed = perm.map((p) => strides[p]!);
  return fromIndex(
    perm.map((p) => a.shape[p]!),
    (index) => a.data[offset(transposed, index)]!,
  );
}

/** Swaps the last two dimensions. */
export function swapLast(a: NdArray): NdArray {
  const r = a.shape.length;
  return transpose(
    a,
    [...a.shape.keys()].map((k) => (k === r - 1 ? r - 2 : k === r - 2 ? r - 1 : k)),
  );
}

/** Maps each line along `axis` to a line of the same length. */
export function alongAxis(a: NdArray, axis: number, f: (line: Float64Array) => Float64Array): NdArray {
  const n = a.shape[axis]!;
  const step = stridesOf(a.shape)[axis]!;
  const data = new Float64Array(a.data.length);
  for (let start = 0; start < a.data.length; start++) {
    if (Math.floor(start / step) % n !== 0) continue;
    const line = f(Float64Array.from({ length: n }, (_, i) => a.data[start + i * step]!));
    for (let i = 0; i < n; i++) data[start + i * step] = line[i]!;
  }
  return { shape: a.shape, data };
}

/** numpy.matmul: batches broadcast, vectors are promoted. */
export function matmul(a: NdArray, b: NdArray): NdArray {
  const left = a.shape.length === 1 ? reshape(a, [1, a.shape[0]!]) : a;
  const right = b.shape.length === 1 ? reshape(b, [b.shape[0]!, 1]) : b;
  const [m, k] = left.shape.slice(-2) as [number, number];
  const [k2, n] = right.shape.slice(-2) as [number, number];
  if (k !== k2) throw new Error(`cannot multiply [${a.shape}] and [${b.shape}]`);
  const batch = broadcastShape([left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const la = broadcastTo(left, [...batch, m, k]).data;
  const rb = broadcastTo(right, [...batch, k, n]).data;
  const data = new Float64Array(sizeOf(batch) * m * n);
  for (let g = 0; g < sizeOf(batch); g++) {
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const x = la[(g * m + i) * k + p]!;
        for (let j = 0; j < n; j++) data[(g * m + i) * n + j]! += x * rb[(g * k + p) * n + j]!;
      }
    }
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])];
  return { shape, data };
}

/** softmax of one line; a line of -Infinity gives NaN, as the formula does. */
export function softmaxLine(line: Float64Array): Float64Array {
  const top = line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const e = line.map((x) => Math.exp(x - top));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}

/** The error function to about 1e-15: sum of positive terms exp(-x^2) 2^n x^(2n+1) / (1*3*...*(2n+1)). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (z > 6) return Math.sign(x);
  let term = z;
  let sum = z;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * Math.min(1, (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum);
}

/** Rounds to the nearest integer, ties to even. */
export function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}
