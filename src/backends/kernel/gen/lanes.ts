import {
  type ArrayDecl,
  type Bool,
  type Expr,
  f32,
  load,
  load4,
  peek,
  peek4,
  poke,
  type Stmt,
  splat,
  store,
  type U32,
  type View,
} from '../ir/kir.js';

/** A value that an invocation computes with: an element, or four neighbours as a vector. */
export interface Lanes<T extends 'f32' | 'f32x4'> {
  readonly type: T;
  readonly count: 1 | 4;
  readonly zero: Expr<T>;
  readonly load: (view: View, at: readonly U32[], mask?: Bool) => Expr<T>;
  readonly store: (view: View, at: readonly U32[], value: Expr<T>, mask?: Bool) => Stmt;
  /** registers for `size` of them */
  readonly registers: (name: string, size: number) => ArrayDecl;
  readonly peek: (array: string, index: U32) => Expr<T>;
  readonly poke: (array: string, index: U32, value: Expr<T>) => Stmt;
}

const registers = (name: string, size: number): ArrayDecl => ({ name, space: 'register', size });

export const ELEMENT: Lanes<'f32'> = {
  type: 'f32',
  count: 1,
  zero: f32(0),
  load,
  store,
  registers,
  peek,
  poke,
};
export const FOUR: Lanes<'f32x4'> = {
  type: 'f32x4',
  count: 4,
  zero: splat(f32(0)),
  load: load4,
  store,
  registers: (name, size) => ({ ...registers(name, size), vector: true }),
  peek: peek4,
  poke,
};
