import type { ValueType } from '../../shape.js';
import { joinTypes } from '../rules.js';

type Types = readonly (ValueType | null)[];

/**
 * Types of values that a body maps to themselves: the join over all iterations. The body is tried with the initial
 * types, then with what the initial types and its own results have in common, until nothing changes (each round only
 * forgets, so three rounds reach types without shape).
 */
export function settle(
  initial: Types,
  body: (carried: Types) => Types | null,
): { carried: Types; outputs: Types | null } {
  let carried = initial;
  for (let round = 0; ; round++) {
    const outputs = body(carried);
    if (!outputs) return { carried: initial.map(() => null), outputs: null };
    const joined = carried.map((type, k) => joinTypes(type, outputs[k] ?? null));
    if (sameTypes(joined, carried)) return { carried, outputs };
    if (round === 2) return { carried: joined.map(() => null), outputs: body(joined.map(() => null)) };
    carried = joined;
  }
}

function sameTypes(a: Types, b: Types): boolean {
  return JSON.stringify(a.map(strip)) === JSON.stringify(b.map(strip));
}

function strip(type: ValueType | null): unknown {
  return type?.kind === 'tensor' ? [type.dtype, type.shape] : null;
}
