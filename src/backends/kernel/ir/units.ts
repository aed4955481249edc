import type { SubgroupMatrix } from '../device/subgroup-matrices.js';
import type { Bool, F32, U32, View } from './kir.js';

/**
 * What the threads of a warp, or a subgroup of WebGPU, do together on a matrix unit, and copies that run in parallel with the arithmetic,
 * which CUDA alone has; the meaning is that of `mma.sync` and `cp.async` (PTX ISA 8, section 9.7). A fragment is the part of a
 * small matrix that the 32 threads of a warp hold between them; the target decides which thread holds which element. Where the results of
 * CUDA lie is known, and they are in a register array; those of subgroups are fragments too, which `spill` brings to workgroup memory.
 */

/**
 * Type in which a matrix unit multiplies; sums are f32. tf32: float32 of which 10 bits of the fraction count. tf32x3: each number is the sum
 * of two of tf32, and a product of two numbers three products, all but that of the two lesser ones.
 */
export type UnitType = 'bf16' | 'f16' | 'tf32' | 'tf32x3';

/** Type of the elements that a fragment is loaded from. */
export const elementOf = (type: UnitType | 'f32'): 'f32' | 'f16' | 'bf16' =>
  type === 'bf16' || type === 'f16' ? type : 'f32';

/** Rows and columns of one result of a matrix unit. */
export const UNIT = { rows: 16, cols: 8 } as const;
/** Length of the inner dimension of one step. */
export const UNIT_INNER: Readonly<Record<UnitType, number>> = { bf16: 16, f16: 16, tf32: 8, tf32x3: 8 };
/** Threads of a warp. */
export const WARP = 32;
/** Results that one thread holds of a UNIT: rows g and g + 8, columns 2 t and 2 t + 1 for thread 4 g + t. */
export const UNIT_RESULTS = 4;

/** Fragments in registers, of one operand or, with matrices of subgroups, of sums. `a` is rows x inner, `b` inner x cols. */
export interface FragmentDecl {
  readonly name: string;
  readonly part: 'a' | 'b' | 'sum';
  readonly type: UnitType | 'f32';
  readonly count: number;
}

/**
 * - `fragment`: loads fragment `index` from a tile in workgroup memory of which the first element is at `at`: element
 *   (i, j) of the operand is at + i * stride + j, or at + j * stride + i when `transposed`; with `pair` the next fragment of b
 *   as well, of the next UNIT.cols columns, in one load (16-bit types);
 * - `mma`: adds the product of two fragments to UNIT_RESULTS elements of a register array, from `at` on; with matrices of subgroups, to
 *   number `at` of the fragments of sums;
 * - `spill`: stores a fragment of sums to workgroup memory, element (i, j) at at + i * stride + j; `clear`: sets it to zero, which it is
 *   at first;
 * - `copy`: begins to copy `count` neighbouring elements of a buffer, 16 bytes in all, to workgroup memory; zeros when the
 *   mask is false;
 * - `fetch`: loads `count` neighbouring words (1, 2 or 4) of a buffer of u32 at once into a register array, from `at` on; zeros when
 *   the mask is false;
 * - `unpack`: writes the numbers of `count` words of that array to workgroup memory, from `index` on: (whole number - zero) * scale,
 *   the lowest bits of a word first; with `table`, an array of sixteen numbers in workgroup memory, table[code] * scale, the highest
 *   bits of a byte first;
 * - `load8`: loads eight neighbours of a buffer of floats, from a multiple of eight on, into a register array, from `index` on; zeros when
 *   the mask is false; `store8`: the same the other way round, where the mask is true;
 * - `take`: loads four neighbouring f32 of workgroup memory, from a multiple of four on, into a register array, in one load; `put`: the
 *   same the other way round;
 * - `commit`: ends a group of copies; `wait`: until all but the last `pending` groups have arrived.
 */
export type UnitStmt =
  | {
      readonly s: 'fragment';
      readonly fragment: string;
      readonly index: U32;
      readonly tile: string;
      readonly at: U32;
      readonly stride: number;
      readonly transposed: boolean;
      readonly pair?: true;
    }
  | {
      readonly s: 'mma';
      readonly acc: string;
      readonly at: U32;
      readonly a: string;
      readonly aIndex: U32;
      readonly b: string;
      readonly bIndex: U32;
    }
  | {
      readonly s: 'spill';
      readonly fragment: string;
      readonly index: U32;
      readonly tile: string;
      readonly at: U32;
      readonly stride: number;
    }
  | { readonly s: 'clear'; readonly fragment: string; readonly index: U32 }
  | {
      readonly s: 'copy';
      readonly array: string;
      readonly index: U32;
      readonly view: View;
      readonly at: readonly U32[];
      readonly count: number;
      readonly mask?: Bool;
    }
  | {
      readonly s: 'fetch';
      readonly array: string;
      readonly at: U32;
      readonly view: View;
      readonly coordinates: readonly U32[];
      readonly count: number;
      readonly mask: Bool;
    }
  | {
      readonly s: 'unpack';
      readonly from: string;
      readonly at: U32;
      readonly count: number;
      readonly bits: 4 | 8;
      readonly array: string;
      readonly index: U32;
      readonly scale: F32;
      readonly of: { readonly zero: F32 } | { readonly table: string };
    }
  | {
      readonly s: 'load8' | 'store8';
      readonly array: string;
      readonly index: U32;
      readonly view: View;
      readonly at: readonly U32[];
      readonly mask: Bool;
    }
  | {
      readonly s: 'take';
      readonly to: string;
      readonly at: U32;
      readonly array: string;
      readonly index: U32;
    }
  | {
      readonly s: 'put';
      readonly array: string;
      readonly index: U32;
      readonly from: string;
      readonly at: U32;
    }
  | { readonly s: 'commit' }
  | { readonly s: 'wait'; readonly pending: number };

/** Rows and columns of a fragment; `matrix`: of a kernel with matrices of subgroups. */
export function fragmentShape(
  { part, type }: FragmentDecl,
  matrix: SubgroupMatrix | undefined,
): readonly [rows: number, cols: number] {
  const { rows, cols, inner } = matrix ?? { ...UNIT, inner: UNIT_INNER[type as UnitType] };
  return [part === 'b' ? inner : rows, part === 'a' ? inner : cols];
}

/** Farthest element from the first that loading or storing a fragment touches. */
export function fragmentReach(
  decl: FragmentDecl,
  matrix: SubgroupMatrix | undefined,
  stride: number,
  transposed: boolean,
): number {
  const [rows, cols] = fragmentShape(decl, matrix);
  return transposed ? (cols - 1) * stride + rows - 1 : (rows - 1) * stride + cols - 1;
}
