import {
  type ArrayDecl,
  add,
  type Bool,
  type F32,
  fma,
  mul,
  part,
  peek,
  peek4,
  poke,
  repeat,
  type Stmt,
  splat,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';
import { ELEMENT, FOUR, type Lanes } from './lanes.js';

/**
 * Register arrays of what an invocation loads at once: of values of one or four numbers (`Lanes`), or of eight numbers (16 bytes of a narrow
 * type). Entries are counted from 0 on.
 */
export interface Taken {
  readonly count: 1 | 4 | 8;
  /** buffers that they are loaded from are accessed in vectors only */
  readonly vectors: boolean;
  /** room for `size` of them */
  readonly array: (name: string, size: number) => ArrayDecl;
  readonly load: (array: string, n: number, view: View, at: readonly U32[], mask: Bool) => Stmt;
  readonly store: (array: string, view: View, at: readonly U32[], mask: Bool) => Stmt;
  /** acc += value times the n-th, number by number */
  readonly addScaled: (acc: string, value: F32, array: string, n: U32) => Stmt;
  /** room for `size` sums of products */
  readonly sums: (name: string, size: number) => ArrayDecl;
  /** adds to the n-th sum the products of the first of `a` with the n-th of `b` */
  readonly addProducts: (sums: string, a: string, b: string, n: U32) => Stmt;
  readonly sum: (sums: string, n: U32) => F32;
}

/** An entry is one value. */
const whole = <T extends 'f32' | 'f32x4'>(
  lanes: Lanes<T>,
): Pick<Taken, 'array' | 'load' | 'store' | 'sums'> => ({
  array: lanes.registers,
  load: (array, n, view, at, mask) => lanes.poke(array, u32(n), lanes.load(view, at, mask)),
  store: (array, view, at, mask) => lanes.store(view, at, lanes.peek(array, u32(0)), mask),
  sums: lanes.registers,
});

/** An entry is `count` numbers, each a register of its own, and a sum is one number. */
const apart = (count: 1 | 8): Omit<Taken, 'array' | 'load' | 'store'> => {
  const place = (n: U32, e: U32) => add(mul(n, u32(count)), e);
  return {
    count,
    vectors: false,
    addScaled: (acc, value, array, n) =>
      repeat('e', count, (e) => [poke(acc, e, fma(value, peek(array, place(n, e)), peek(acc, e)))]),
    sums: ELEMENT.registers,
    addProducts: (sums, a, b, n) =>
      repeat('e', count, (e) => [poke(sums, n, fma(peek(a, e), peek(b, place(n, e)), peek(sums, n)))]),
    sum: peek,
  };
};

const ofFours: Taken = {
  ...whole(FOUR),
  count: 4,
  vectors: true,
  addScaled: (acc, value, array, n) =>
    poke(acc, u32(0), fma(splat(value), peek4(array, n), peek4(acc, u32(0)))),
  addProducts: (sums, a, b, n) => poke(sums, n, fma(peek4(a, u32(0)), peek4(b, n), peek4(sums, n))),
  sum: (sums, n) => {
    const of = (at: 0 | 1 | 2 | 3) => part(peek4(sums, n), at);
    return add(add(of(0), of(1)), add(of(2), of(3)));
  },
};

const ofEights: Taken = {
  ...apart(8),
  array: (name, size) => ELEMENT.registers(name, 8 * size),
  load: (array, n, view, at, mask) => ({ s: 'load8', array, index: u32(8 * n), view, at, mask }),
  store: (array, view, at, mask) => ({ s: 'store8', array, index: u32(0), view, at, mask }),
};

export const TAKEN: Readonly<Record<1 | 4 | 8, Taken>> = {
  1: { ...whole(ELEMENT), ...apart(1) },
  4: ofFours,
  8: ofEights,
};
