import {
  type Bool,
  type Expr,
  f32,
  load,
  load4,
  poke,
  type Stmt,
  splat,
  store,
  type U32,
  type View,
} from '../ir/kir.js';

/** What an invocation takes at once: an element, or four neighbours as a vector. */
export interface Lanes<T extends 'f32' | 'f32x4'> {
  readonly type: T;
  readonly count: 1 | 4;
  readonly zero: Expr<T>;
  readonly load: (view: View, at: readonly U32[], mask?: Bool) => Expr<T>;
  readonly store: (view: View, at: readonly U32[], value: Expr<T>, mask?: Bool) => Stmt;
  readonly poke: (array: string, index: U32, value: Expr<T>) => Stmt;
}

export const ELEMENT: Lanes<'f32'> = { type: 'f32', count: 1, zero: f32(0), load, store, poke };
export const FOUR: Lanes<'f32x4'> = {
  type: 'f32x4',
  count: 4,
  zero: splat(f32(0)),
  load: load4,
  store,
  poke,
};
