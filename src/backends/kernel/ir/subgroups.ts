import type { Expr, F32, Kernel, Stmt, U32 } from './kir.js';

/**
 * What the invocations of a subgroup (a warp, in CUDA) do together. A workgroup falls into subgroups; the device
 * decides how large they are and which invocations are in one, and a kernel must be right for every such division.
 *
 * - `peer`: the number of this invocation in its subgroup, from 0 on without gaps; `peers`: how many there are;
 * - `number`: which of the `count` subgroups of the workgroup this is. Their size has to be known: see subgroup-matrices.ts;
 * - `subgroupAdd`: the sum over the invocations of the subgroup, the same in all of them. The device chooses its order.
 *
 * Each is the whole value of a variable or of an array element, in code that every invocation executes.
 */
export type SubgroupExpr =
  | { readonly e: 'subgroup'; readonly of: 'peer' | 'peers' }
  | { readonly e: 'subgroup'; readonly of: 'number'; readonly count: number }
  | { readonly e: 'subgroupAdd'; readonly of: F32 };

export const peer: U32 = { type: 'u32', e: 'subgroup', of: 'peer' };
export const peers: U32 = { type: 'u32', e: 'subgroup', of: 'peers' };
export const subgroupNumber = (count: number): U32 => ({ type: 'u32', e: 'subgroup', of: 'number', count });
export const subgroupAdd = (of: F32): F32 => ({ type: 'f32', e: 'subgroupAdd', of });

type Collective = Extract<Expr, SubgroupExpr>;

/** The subgroup operation that is the value of a statement, if it is one. */
export function collective(stmt: Stmt): Collective | null {
  const value = assigned(stmt);
  return value?.e === 'subgroupAdd' || value?.e === 'subgroup' ? value : null;
}

function assigned(stmt: Stmt): Expr | null {
  if (stmt.s === 'let' || stmt.s === 'var') return stmt.init;
  return stmt.s === 'assign' || stmt.s === 'poke' ? stmt.value : null;
}

/** Whether a kernel needs a device that has subgroups. */
export function usesSubgroups({ body }: Pick<Kernel, 'body'>): boolean {
  return body.some((stmt) =>
    stmt.s === 'if' || stmt.s === 'for' ? usesSubgroups(stmt) : collective(stmt) !== null,
  );
}
