import type { Matrices } from '../../src/train/optimizers/define.js';

/** A matrix, or with one element a number that goes with every element. */
export interface F64 {
  readonly shape: readonly [number, number];
  readonly data: readonly number[];
}

const single = (value: number): F64 => ({ shape: [1, 1], data: [value] });

function elementwise(op: (a: number, b: number) => number) {
  return (a: F64, b: F64): F64 => {
    const { shape } = a.data.length >= b.data.length ? a : b;
    const at = ({ data }: F64, i: number) => data[data.length === 1 ? 0 : i]!;
    return { shape, data: Array.from({ length: shape[0] * shape[1] }, (_, i) => op(at(a, i), at(b, i))) };
  };
}
const each =
  (op: (a: number) => number) =>
  ({ shape, data }: F64): F64 => ({ shape, data: data.map(op) });

/** Updates of optimizers in float64. */
export const FLOAT64: Matrices<F64> = {
  number: single,
  named: (_, value) => value,
  add: elementwise((a, b) => a + b),
  sub: elementwise((a, b) => a - b),
  mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b),
  max: elementwise(Math.max),
  sqrt: each(Math.sqrt),
  sign: each(Math.sign),
  norm: ({ data }) => single(Math.sqrt(data.reduce((sum, x) => sum + x * x, 0))),
  transpose: ({ shape: [rows, columns], data }) => ({
    shape: [columns, rows],
    data: Array.from(
      { length: rows * columns },
      (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!,
    ),
  }),
  product: (a, b) => {
    const [rows, inner] = a.shape;
    const columns = b.shape[1];
    const data = Array.from({ length: rows * columns }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < inner; k++)
        sum += a.data[Math.floor(i / columns) * inner + k]! * b.data[k * columns + (i % columns)]!;
      return sum;
    });
    return { shape: [rows, columns], data };
  },
};
