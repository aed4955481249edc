import { type ElementType, type Nd, sizeOf } from './graph.js';

/** Arithmetic of shapes, and walks over elements. */

export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** The indexes of all elements of a shape, in order; the array is one and the same. */
export function* indexes(shape: readonly number[]): Iterable<readonly number[]> {
  const at = new Array<number>(shape.length).fill(0);
  for (let left = sizeOf(shape); left > 0; left--) {
    yield at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++at[axis]! < shape[axis]!) break;
      at[axis] = 0;
    }
  }
}

/** A tensor whose element at an index is computed from the index. */
export function filled(
  dtype: ElementType,
  shape: readonly number[],
  element: (at: readonly number[]) => number,
): Nd {
  const data = new Float64Array(sizeOf(shape));
  let k = 0;
  for (const at of indexes(shape)) data[k++] = element(at);
  return { dtype, shape: [...shape], data };
}

export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = shapes.map((shape) => shape[shape.length - rank + axis] ?? 1);
    const wide = extents.find((extent) => extent !== 1) ?? 1;
    if (extents.some((extent) => extent !== 1 && extent !== wide))
      throw new Error(`shapes ${shapes.join(' and ')}`);
    return wide;
  });
}

/** The element of a tensor that an index of a broadcast result reads. */
export function elementAt({ shape, data }: Nd, at: readonly number[]): number {
  let offset = 0;
  const lead = at.length - shape.length;
  for (const [axis, extent] of shape.entries())
    offset = offset * extent + (extent === 1 ? 0 : at[axis + lead]!);
  return data[offset]!;
}

export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

export const reshaped = (value: Nd, shape: readonly number[]): Nd => ({ ...value, shape: [...shape] });

export function permuted(value: Nd, perm: readonly number[]): Nd {
  const strides = stridesOf(value.shape);
  return filled(
    value.dtype,
    perm.map((axis) => value.shape[axis]!),
    (at) => value.data[perm.reduce((sum, axis, k) => sum + strides[axis]! * at[k]!, 0)]!,
  );
}

/** The last two axes change places. */
export function flipped(value: Nd): Nd {
  const rank = value.shape.length;
  const perm = value.shape.map((_, axis) => axis);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return permuted(value, perm);
}

/** numpy.matmul. */
export function matmul(a: Nd, b: Nd): Nd {
  const left = a.shape.length === 1 ? reshaped(a, [1, ...a.shape]) : a;
  const right = b.shape.length === 1 ? reshaped(b, [...b.shape, 1]) : b;
  const [rows, inner] = left.shape.slice(-2) as [number, number];
  const [depth, columns] = right.shape.slice(-2) as [number, number];
  if (inner !== depth) throw new Error(`a product of [${a.shape}] and [${b.shape}]`);
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const result = filled(a.dtype, [...batch, rows, columns], (at) => {
    const lead = at.slice(0, -2);
    const [i, j] = at.slice(-2) as [number, number];
    const from = offsetOf(left.shape.slice(0, -2), lead) * rows * inner + i * inner;
    const to = offsetOf(right.shape.slice(0, -2), lead) * inner * columns + j;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left.data[from + k]! * right.data[to + k * columns]!;
    return sum;
  });
  const shape = [
    ...batch,
    ...(a.shape.length === 1 ? [] : [rows]),
    ...(b.shape.length === 1 ? [] : [columns]),
  ];
  return reshaped(result, shape);
}

function offsetOf(shape: readonly number[], at: readonly number[]): number {
  const lead = at.length - shape.length;
  return shape.reduce((sum, extent, axis) => sum * extent + (extent === 1 ? 0 : at[axis + lead]!), 0);
}

/** An equation without spaces whose operands have the axes of `...` as capital letters. */
export function einsumLetters(
  equation: string,
  shapes: readonly (readonly number[])[],
): { readonly operands: readonly string[]; readonly result: string } {
  const [left = '', right = ''] = equation.split('->');
  const texts = left.split(',');
  const wide = Math.max(
    0,
    ...texts.map((own, k) => (own.includes('...') ? shapes[k]!.length - own.length + 3 : 0)),
  );
  const dots = Array.from({ length: wide }, (_, k) => String.fromCharCode(65 + k)).join('');
  const operands = texts.map((own, k) =>
    own.replace('...', dots.slice(wide - (shapes[k]!.length - own.length + 3))),
  );
  return { operands, result: right.replace('...', dots) };
}

export function einsum(equation: string, operands: readonly Nd[]): Nd {
  const { operands: letters, result } = einsumLetters(
    equation,
    operands.map(({ shape }) => shape),
  );
  const extent = new Map<string, number>();
  for (const [k, own] of letters.entries()) {
    for (const [axis, letter] of [...own].entries()) {
      const here = operands[k]!.shape[axis]!;
      if (here !== 1 || !extent.has(letter)) extent.set(letter, here);
    }
  }
  const summed = [...extent.keys()].filter((letter) => !result.includes(letter));
  const all = [...result, ...summed];
  const steps = letters.map((own, k) => {
    const strides = stridesOf(operands[k]!.shape);
    return all.map((letter) => {
      const axis = own.indexOf(letter);
      return axis < 0 || operands[k]!.shape[axis] === 1 ? 0 : strides[axis]!;
    });
  });
  const inner = summed.map((letter) => extent.get(letter)!);
  return filled(
    operands[0]!.dtype,
    [...result].map((letter) => extent.get(letter)!),
    (at) => {
      const start = steps.map((own) => at.reduce((sum, index, k) => sum + own[k]! * index, 0));
      let sum = 0;
      for (const deep of indexes(inner)) {
        let term = 1;
        for (const [k, { data }] of operands.entries())
          term *=
            data[deep.reduce((offset, index, j) => offset + steps[k]![at.length + j]! * index, start[k]!)]!;
        sum += term;
      }
      return sum;
    },
  );
}

/** The patches that a convolution multiplies by its filters: (batch, places, channels * window), and the extents of the places. */
export function patches(
  x: Nd,
  window: readonly number[],
  {
    strides,
    dilations,
    pads,
  }: {
    readonly strides: readonly number[];
    readonly dilations: readonly number[];
    readonly pads: readonly number[];
  },
): { readonly rows: Nd; readonly places: readonly number[] } {
  const [batch, channels, ...extents] = x.shape as [number, number, ...number[]];
  const rank = extents.length;
  const places = extents.map(
    (extent, k) =>
      Math.floor((extent + pads[k]! + pads[rank + k]! - dilations[k]! * (window[k]! - 1) - 1) / strides[k]!) +
      1,
  );
  const steps = stridesOf(x.shape);
  const inside = stridesOf([channels, ...window]);
  const outside = stridesOf(places);
  const patch = channels * sizeOf(window);
  const rows = filled(x.dtype, [batch, sizeOf(places), patch], ([n, place, element]) => {
    let offset = n! * steps[0]! + Math.floor(element! / inside[0]!) * steps[1]!;
    for (let k = 0; k < rank; k++) {
      const at = Math.floor(place! / outside[k]!) % places[k]!;
      const tap = Math.floor(element! / inside[k + 1]!) % window[k]!;
      const position = at * strides[k]! + tap * dilations[k]! - pads[k]!;
      if (position < 0 || position >= extents[k]!) return 0;
      offset += position * steps[k + 2]!;
    }
    return x.data[offset]!;
  });
  return { rows, places };
}
