import type { DType } from './dtype.js';

/** static | symbolic ("batch") | unknown */
export type Dim = number | string | null;
export type Shape = readonly Dim[];

/**
 * The type of a value. `shape: null` means unknown rank. `raw` is a sequence, map, optional or sparse type: carried
 * as its TypeProto bytes, not understood. A tensor type that was read keeps its own TypeProto bytes in `proto`
 * (denotations, unknown fields) so that renaming a value loses nothing.
 */
export type ValueType =
  | {
      readonly kind: 'tensor';
      readonly dtype: DType;
      readonly shape: Shape | null;
      readonly proto?: Uint8Array;
    }
  | { readonly kind: 'raw'; readonly proto: Uint8Array };

export type TensorType = Extract<ValueType, { kind: 'tensor' }>;

export function tensorType(dtype: DType, shape: Shape | null): TensorType {
  return { kind: 'tensor', dtype, shape };
}

/** The shape of a value; null when it is not a tensor, or of unknown rank. */
export function shapeOf({ type }: { readonly type: ValueType | null }): Shape | null {
  return type?.kind === 'tensor' ? type.shape : null;
}

/** Number of elements of a static shape (1 for a scalar). */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** The shape when every dimension is a number, else null. */
export function staticShape(shape: Shape | null | undefined): readonly number[] | null {
  if (!shape) return null;
  return shape.every((dim): dim is number => typeof dim === 'number') ? (shape as readonly number[]) : null;
}

/** True when the two dimensions are certainly the same extent. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a !== null && a === b;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** `2x?xbatch`, for messages. */
export function shapeText(shape: Shape | null): string {
  if (shape === null) return '[...]';
  return `[${shape.map((dim) => dim ?? '?').join(',')}]`;
}
