import {
  type ArrayDecl,
  add,
  type Bool,
  type F32,
  fma,
  load,
  load4,
  mul,
  part,
  peek,
  peek4,
  poke,
  repeat,
  type Stmt,
  splat,
  store,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';

/**
 * What an invocation loads at once into registers: one number, a vector of four, or eight of them (16 bytes of a narrow type). A register
 * array holds some of these, which are counted from 0 on.
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

const registers = (name: string, size: number): ArrayDecl => ({ name, space: 'register', size });

/** `count` numbers, each a register of its own. */
const apart = (count: 1 | 8): Omit<Taken, 'load' | 'store'> => {
  const place = (n: U32, e: U32) => add(mul(n, u32(count)), e);
  return {
    count,
    vectors: false,
    array: (name, size) => registers(name, size * count),
    addScaled: (acc, value, array, n) =>
      repeat('e', count, (e) => [poke(acc, e, fma(value, peek(array, place(n, e)), peek(acc, e)))]),
    sums: registers,
    addProducts: (sums, a, b, n) =>
      repeat('e', count, (e) => [poke(sums, n, fma(peek(a, e), peek(b, place(n, e)), peek(sums, n)))]),
    sum: peek,
  };
};

const ONE: Taken = {
  ...apart(1),
  load: (array, n, view, at, mask) => poke(array, u32(n), load(view, at, mask)),
  store: (array, view, at, mask) => store(view, at, peek(array, u32(0)), mask),
};

const EIGHT: Taken = {
  ...apart(8),
  load: (array, n, view, at, mask) => ({ s: 'load8', array, index: u32(8 * n), view, at, mask }),
  store: (array, view, at, mask) => ({ s: 'store8', array, index: u32(0), view, at, mask }),
};

const vectors = (name: string, size: number): ArrayDecl => ({ ...registers(name, size), vector: true });

const FOUR: Taken = {
  count: 4,
  vectors: true,
  array: vectors,
  load: (array, n, view, at, mask) => poke(array, u32(n), load4(view, at, mask)),
  store: (array, view, at, mask) => store(view, at, peek4(array, u32(0)), mask),
  addScaled: (acc, value, array, n) =>
    poke(acc, u32(0), fma(splat(value), peek4(array, n), peek4(acc, u32(0)))),
  sums: vectors,
  addProducts: (sums, a, b, n) => poke(sums, n, fma(peek4(a, u32(0)), peek4(b, n), peek4(sums, n))),
  sum: (sums, n) => {
    const of = (at: 0 | 1 | 2 | 3) => part(peek4(sums, n), at);
    return add(add(of(0), of(1)), add(of(2), of(3)));
  },
};

export const TAKEN: Readonly<Record<1 | 4 | 8, Taken>> = { 1: ONE, 4: FOUR, 8: EIGHT };
