/**
 * The kernel IR: one kernel as immutable data, printed as WGSL and as CUDA, and run by the simulator of tests. Values are f32,
 * u32 or bool; narrower floats exist only in buffers, where a load widens and a store rounds. Scalars in registers,
 * tiles in workgroup memory, matrices in buffers, accessed through views.
 */

import type { SubgroupMatrix } from '../device/subgroup-matrices.js';
import type { SubgroupExpr } from './subgroups.js';
import type { FragmentDecl, UnitStmt } from './units.js';
import type { MapParam, RingDecl, WarpgroupStmt } from './warpgroups.js';

/** Type of a value in registers; `f32x4`: a vector of four, `f16x4` of four halves, of which each operation rounds, `u32x4` of four words. */
export type KType = 'f32' | 'f32x4' | 'f16x4' | 'u32' | 'u32x4' | 'bool';
/** Type of an element in a buffer; u8: a byte, as a whole number. */
export type Storage = 'f32' | 'f16' | 'bf16' | 'u32' | 'u8';

export type F32 = Expr<'f32'>;
export type F32x4 = Expr<'f32x4'>;
export type F16x4 = Expr<'f16x4'>;
export type U32 = Expr<'u32'>;
export type U32x4 = Expr<'u32x4'>;
export type Bool = Expr<'bool'>;

export type Unary = 'exp' | 'sqrt' | 'abs';
export type Arithmetic = '+' | '-' | '*' | '/' | '%' | 'min' | 'max';
type Comparison = '<' | '==';

/** A strided window of a buffer. Every coordinate of an access is below its extent: proved or masked (verify.ts). */
export interface View {
  readonly buffer: string;
  /** first element */
  readonly offset: U32;
  readonly extents: readonly U32[];
  /** elements from one index of an axis to the next */
  readonly strides: readonly U32[];
}

/** Whether a value of a type, and so an element of memory that it is, is a vector. */
export const isVector = (type: KType): boolean => type === 'f32x4' || type === 'f16x4' || type === 'u32x4';

/** The place of a number in a vector. */
export type Quarter = 0 | 1 | 2 | 3;

/** An expression. A load or a store of a vector is of four neighbours along the last axis. It has no effect; a masked load whose mask is false reads 0 and touches nothing. */
export type Expr<T extends KType = KType> = { readonly type: T } & (
  | { readonly e: 'lit'; readonly value: number }
  | { readonly e: 'ref'; readonly name: string }
  | { readonly e: 'uniform'; readonly name: string }
  | { readonly e: 'id'; readonly of: 'local' | 'group'; readonly axis: 0 | 1 | 2 }
  | { readonly e: 'bin'; readonly op: Arithmetic; readonly a: Expr; readonly b: Expr }
  | { readonly e: 'cmp'; readonly op: Comparison; readonly a: Expr; readonly b: Expr }
  | { readonly e: 'and'; readonly a: Bool; readonly b: Bool }
  | { readonly e: 'call'; readonly fn: Unary; readonly of: Expr }
  | { readonly e: 'fma'; readonly a: Expr; readonly b: Expr; readonly c: Expr }
  /** a vector of four numbers, of one number four times, and one number of a vector */
  | { readonly e: 'vector'; readonly of: readonly [F32, F32, F32, F32] }
  | { readonly e: 'splat'; readonly of: F32 }
  | { readonly e: 'part'; readonly of: F32x4 | U32x4; readonly at: Quarter }
  /** four words with the second first, and the first last */
  | { readonly e: 'turned'; readonly of: U32x4 }
  /** one number of a vector of halves, four times */
  | { readonly e: 'spread'; readonly of: F16x4; readonly at: Quarter }
  | { readonly e: 'cast'; readonly of: Expr }
  | { readonly e: 'select'; readonly cond: Bool; readonly whenTrue: Expr; readonly whenFalse: Expr }
  | { readonly e: 'load'; readonly view: View; readonly at: readonly U32[]; readonly mask?: Bool }
  | { readonly e: 'peek'; readonly array: string; readonly index: U32 }
  | SubgroupExpr
);

/** A statement. `poke` writes an element of an array, `store` one of a buffer. */
export type Stmt =
  | { readonly s: 'let' | 'var'; readonly name: string; readonly init: Expr }
  | { readonly s: 'assign'; readonly name: string; readonly value: Expr }
  | {
      readonly s: 'poke';
      readonly array: string;
      readonly index: U32;
      readonly value: F32 | F32x4 | F16x4 | U32;
    }
  | {
      readonly s: 'store';
      readonly view: View;
      readonly at: readonly U32[];
      readonly value: F32 | F32x4;
      readonly mask?: Bool;
      /** of the neighbour along the last axis, written with it; both lie in one aligned pair */
      readonly next?: F32;
    }
  | {
      readonly s: 'for';
      readonly name: string;
      readonly from: U32;
      readonly to: U32;
      readonly step: U32;
      /** written out by the legaliser; the bounds are literals */
      readonly unroll: boolean;
      readonly body: readonly Stmt[];
    }
  | { readonly s: 'if'; readonly cond: Bool; readonly body: readonly Stmt[] }
  /** the first threads of a workgroup, whole warpgroups of them, do one thing while the rest do another */
  | {
      readonly s: 'roles';
      readonly threads: number;
      readonly first: readonly Stmt[];
      readonly rest: readonly Stmt[];
    }
  /** in a role: for every tile of results that the workgroup computes; the ids of its group are those of the tile */
  | { readonly s: 'each'; readonly body: readonly Stmt[] }
  | { readonly s: 'barrier' }
  | { readonly s: 'comment'; readonly text: string }
  | UnitStmt
  | WarpgroupStmt;

export interface BufferParam {
  readonly name: string;
  readonly elem: Storage;
  readonly access: 'read' | 'write' | 'read_write';
  /** accessed through maps only: the kernel takes the maps instead of a pointer */
  readonly mapped?: true;
  /** accessed four neighbours at a time only, from multiples of four on */
  readonly vector?: true;
}

export interface UniformParam {
  readonly name: string;
  readonly type: 'u32' | 'f32';
}

/**
 * An array of f32, or of a narrower type: a `poke` rounds to it. `register` arrays belong to
 * an invocation, are zero at first and are indexed by constants only; arrays of u32 hold words of packed numbers.
 */
export interface ArrayDecl {
  readonly name: string;
  readonly space: 'workgroup' | 'register';
  readonly size: number;
  readonly elem?: Exclude<Storage, 'u8'>;
  /** number of tiles, of equal size, of a ring: one is filled while another is read */
  readonly stages?: number;
  /** of vectors of four, as many as `size` says */
  readonly vector?: true;
  /** halves of it are added: invocations write one half while they read the other, no two of them one element */
  readonly folded?: true;
}

const ARRAY_BYTES = { f32: 4, u32: 4, f16: 2, bf16: 2 } as const;

/** Bytes of workgroup memory that an array takes. */
export const arrayBytes = ({ space, size, elem = 'f32', vector: four }: ArrayDecl): number =>
  space === 'workgroup' ? size * ARRAY_BYTES[elem] * (four ? 4 : 1) : 0;

export interface Kernel {
  readonly name: string;
  /** comment lines for readers: what is computed, the plan, the tiles */
  readonly about: readonly string[];
  readonly workgroup: readonly [number, number, number];
  /** workgroups that a compiler leaves registers for on a multiprocessor at once */
  readonly atOnce?: number;
  /** the launch after it may begin once all of its workgroups have; that one waits for its end itself */
  readonly releases?: true;
  /** it may begin before the launches before it have ended, and waits for their end before anything else */
  readonly settles?: true;
  /** in binding order */
  readonly buffers: readonly BufferParam[];
  readonly uniforms: readonly UniformParam[];
  readonly arrays: readonly ArrayDecl[];
  /** the fragments that the warps of a kernel for matrix units hold */
  readonly fragments?: readonly FragmentDecl[];
  /** fragments are those of subgroups of WebGPU: what a subgroup multiplies at once */
  readonly matrix?: SubgroupMatrix;
  /** for a kernel for warpgroups: its ring, and the matrices that the copy engine loads */
  readonly ring?: RingDecl;
  readonly maps?: readonly MapParam[];
  /** it loads and stores eight numbers at once, in register arrays */
  readonly eights?: true;
  /** its tiles come through register arrays, and their rows lie on multiples of 16 bytes */
  readonly staged?: true;
  readonly body: readonly Stmt[];
}

// ── builders ────────────────────────────────────────────────────────────────

export const u32 = (value: number): U32 => ({ type: 'u32', e: 'lit', value });
export const f32 = (value: number): F32 => ({ type: 'f32', e: 'lit', value: Math.fround(value) });
export const ref = <T extends KType>(type: T, name: string): Expr<T> => ({ type, e: 'ref', name }) as Expr<T>;
export const uniform = <T extends 'u32' | 'f32'>(type: T, name: string): Expr<T> =>
  ({ type, e: 'uniform', name }) as Expr<T>;
export const id = (of: 'local' | 'group', axis: 0 | 1 | 2): U32 => ({ type: 'u32', e: 'id', of, axis });

/** Arithmetic; folds literals and drops additions of 0 and products with 0 or 1 of whole numbers. */
export function bin<T extends 'u32' | 'f32' | 'f32x4'>(op: Arithmetic, a: Expr<T>, b: Expr<T>): Expr<T> {
  if (a.type === 'u32') {
    const [x, y] = [literalValue(a), literalValue(b)];
    if (x !== null && y !== null) return u32(wholeArithmetic(op, x, y)) as Expr<T>;
    if ((op === '+' && x === 0) || (op === '*' && x === 1)) return b;
    if ((op === '+' || op === '-') && y === 0) return a;
    if ((op === '*' || op === '/') && y === 1) return a;
    if ((op === '*' && (x === 0 || y === 0)) || (op === '%' && y === 1)) return u32(0) as Expr<T>;
  }
  return { type: a.type, e: 'bin', op, a, b } as Expr<T>;
}

/** Arithmetic of unsigned 32-bit numbers, as both targets do it. */
function wholeArithmetic(op: Arithmetic, a: number, b: number): number {
  switch (op) {
    case '+':
      return (a + b) >>> 0;
    case '-':
      return (a - b) >>> 0;
    case '*':
      return Math.imul(a, b) >>> 0;
    case '/':
      return Math.floor(a / b);
    case '%':
      return a % b;
    case 'min':
      return Math.min(a, b);
    case 'max':
      return Math.max(a, b);
  }
}

/** The value of a literal, or null. */
export const literalValue = (expr: Expr): number | null => (expr.e === 'lit' ? expr.value : null);

export const add = <T extends 'u32' | 'f32' | 'f32x4'>(a: Expr<T>, b: Expr<T>) => bin('+', a, b);
export const sub = <T extends 'u32' | 'f32'>(a: Expr<T>, b: Expr<T>) => bin('-', a, b);
export const mul = <T extends 'u32' | 'f32' | 'f32x4'>(a: Expr<T>, b: Expr<T>) => bin('*', a, b);
export const div = <T extends 'u32' | 'f32'>(a: Expr<T>, b: Expr<T>) => bin('/', a, b);
export const mod = (a: U32, b: U32): U32 => bin('%', a, b);
export const min = <T extends 'u32' | 'f32'>(a: Expr<T>, b: Expr<T>) => bin('min', a, b);
export const max = <T extends 'u32' | 'f32'>(a: Expr<T>, b: Expr<T>) => bin('max', a, b);
export const fma = <T extends 'f32' | 'f32x4' | 'f16x4'>(a: Expr<T>, b: Expr<T>, c: Expr<T>): Expr<T> =>
  ({ type: a.type, e: 'fma', a, b, c }) as Expr<T>;
export const vector = (of: readonly [F32, F32, F32, F32]): F32x4 => ({ type: 'f32x4', e: 'vector', of });
export const splat = (of: F32): F32x4 => ({ type: 'f32x4', e: 'splat', of });
export const spread = (of: F16x4, at: Quarter): F16x4 => ({ type: 'f16x4', e: 'spread', of, at });
/** Halves as f32. */
export const widened = (of: F16x4): F32x4 => ({ type: 'f32x4', e: 'cast', of });
export const NO_HALVES: F16x4 = { type: 'f16x4', e: 'lit', value: 0 };
export const part = (of: F32x4, at: Quarter): F32 => ({ type: 'f32', e: 'part', of, at });
export const turned = (of: U32x4): U32x4 => ({ type: 'u32x4', e: 'turned', of });
/** One word of four. */
export const wordOf = (of: U32x4, at: Quarter): U32 => ({ type: 'u32', e: 'part', of, at });
export const call = (fn: Unary, of: F32): F32 => ({ type: 'f32', e: 'call', fn, of });
export const lt = <T extends 'u32' | 'f32'>(a: Expr<T>, b: Expr<T>): Bool => ({
  type: 'bool',
  e: 'cmp',
  op: '<',
  a,
  b,
});
export const and = (a: Bool, b: Bool): Bool => {
  if (literalValue(a) === 1) return b;
  return literalValue(b) === 1 ? a : { type: 'bool', e: 'and', a, b };
};
export const select = <T extends KType>(cond: Bool, whenTrue: Expr<T>, whenFalse: Expr<T>): Expr<T> =>
  ({ type: whenTrue.type, e: 'select', cond, whenTrue, whenFalse }) as Expr<T>;
export const load = (view: View, at: readonly U32[], mask?: Bool): F32 => ({
  type: 'f32',
  e: 'load',
  view,
  at,
  ...(mask ? { mask } : {}),
});
/** An element of a buffer, or an array, of vectors. */
export const load4 = (view: View, at: readonly U32[], mask?: Bool): F32x4 => ({
  type: 'f32x4',
  e: 'load',
  view,
  at,
  ...(mask ? { mask } : {}),
});
export const peek4 = (array: string, index: U32): F32x4 => ({ type: 'f32x4', e: 'peek', array, index });
export const peekHalves = (array: string, index: U32): F16x4 => ({ type: 'f16x4', e: 'peek', array, index });
/** A whole number as f32. */
export const cast = (of: U32): F32 => ({ type: 'f32', e: 'cast', of });
/** An element of a buffer of whole numbers. */
export const loadIndex = (view: View, at: readonly U32[], mask: Bool): U32 => ({
  type: 'u32',
  e: 'load',
  view,
  at,
  mask,
});
/** Four words at once. */
export const loadWords = (view: View, at: readonly U32[], mask: Bool): U32x4 => ({
  type: 'u32x4',
  e: 'load',
  view,
  at,
  mask,
});
export const peek = (array: string, index: U32): F32 => ({ type: 'f32', e: 'peek', array, index });
export const peekWord = (array: string, index: U32): U32 => ({ type: 'u32', e: 'peek', array, index });

export const define = (name: string, init: Expr): Stmt => ({ s: 'let', name, init });
export const poke = (array: string, index: U32, value: F32 | F32x4 | F16x4 | U32): Stmt => ({
  s: 'poke',
  array,
  index,
  value,
});
export const store = (view: View, at: readonly U32[], value: F32 | F32x4, mask?: Bool): Stmt => ({
  s: 'store',
  view,
  at,
  value,
  ...(mask ? { mask } : {}),
});
/** Two neighbours along the last axis at once, the first at an even place in the buffer. */
export const storePair = (view: View, at: readonly U32[], value: F32, next: F32): Stmt => ({
  s: 'store',
  view,
  at,
  value,
  next,
});
/** The neighbour along the last axis. */
export const neighbour = (at: readonly U32[]): readonly U32[] => [
  ...at.slice(0, -1),
  add(at.at(-1)!, u32(1)),
];
export const comment = (text: string): Stmt => ({ s: 'comment', text });
export const barrier: Stmt = { s: 'barrier' };

/** `for name = from; name < to; name += step`; the body receives the counter. */
export function loop(
  name: string,
  from: U32,
  to: U32,
  step: U32,
  body: (at: U32) => readonly Stmt[],
  unroll = false,
): Stmt {
  return { s: 'for', name, from, to, step, unroll, body: body(ref('u32', name)) };
}

/** A loop over 0 .. count - 1 that the legaliser writes out. */
export const repeat = (name: string, count: number, body: (at: U32) => readonly Stmt[]): Stmt =>
  loop(name, u32(0), u32(count), u32(1), body, true);

/** The element of the buffer that an access means: offset + sum of coordinate times stride. */
export function flatIndex(view: View, at: readonly U32[]): U32 {
  return at.reduce((sum, coordinate, axis) => add(sum, mul(coordinate, view.strides[axis]!)), view.offset);
}

/** A multiple of four, divided by four: factors of four are left out where they are seen. */
export function quarter(expr: U32): U32 {
  if (expr.e === 'bin' && expr.op === '+') return add(quarter(expr.a as U32), quarter(expr.b as U32));
  if (expr.e === 'bin' && expr.op === '*') {
    for (const [one, other] of [
      [expr.b, expr.a],
      [expr.a, expr.b],
    ] as const)
      if (one.e === 'lit' && one.value % 4 === 0) return mul(other as U32, u32(one.value / 4));
  }
  return div(expr, u32(4));
}

/** Every expression directly inside another. */
export function operands(expr: Expr): readonly Expr[] {
  switch (expr.e) {
    case 'bin':
    case 'cmp':
    case 'and':
      return [expr.a, expr.b];
    case 'fma':
      return [expr.a, expr.b, expr.c];
    case 'vector':
      return expr.of;
    case 'call':
    case 'cast':
    case 'splat':
    case 'part':
    case 'turned':
    case 'spread':
    case 'subgroupAdd':
      return [expr.of];
    case 'select':
      return [expr.cond, expr.whenTrue, expr.whenFalse];
    case 'load':
      return [...viewParts(expr.view), ...expr.at, ...(expr.mask ? [expr.mask] : [])];
    case 'peek':
      return [expr.index];
    default:
      return [];
  }
}

const viewParts = (view: View): readonly U32[] => [view.offset, ...view.extents, ...view.strides];
