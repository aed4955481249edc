import type { Dim, ValueType } from '../shape.js';
import { op } from './core/define.js';
import { unifyDim } from './core/dims.js';
import { attrs, axisIn, joinTypes, rule, tensorAt, typeOf } from './core/rules.js';

/** Ops with subgraphs. */

/** If: the outputs of one of two subgraphs. A condition that is known picks the branch whose types count. */
export const If = op({
  name: 'If',
  since: 1,
  runs: 'branch',
  infer: rule((node, ctx) => {
    const condition = ctx.ints(0)?.[0];
    const yes = ctx.subgraph('then_branch', []);
    const no = ctx.subgraph('else_branch', []);
    const types = node.outputs.map((_, k) => {
      if (typeof condition === 'number') return (condition !== 0 ? yes : no)?.[k] ?? null;
      return joinTypes(yes?.[k] ?? null, no?.[k] ?? null);
    });
    return { types };
  }),
});

type Types = readonly (ValueType | null)[];

function strip(type: ValueType | null): unknown {
  return type?.kind === 'tensor' ? [type.dtype, type.shape] : null;
}

function sameTypes(a: Types, b: Types): boolean {
  return JSON.stringify(a.map(strip)) === JSON.stringify(b.map(strip));
}

/**
 * Types of values that a body maps to themselves: the join over all iterations. The body is tried with the initial
 * types, then with what the initial types and its own results have in common, until nothing changes (each round only
 * forgets, so three rounds reach types without shape).
 */
function settle(
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

/**
 * Loop(M, cond, initial...): the body gets the iteration number, the condition and the carried values, and gives the
 * condition, the carried values and one slice per scan output. How often it runs is not known.
 */
export const Loop = op({
  name: 'Loop',
  since: 1,
  runs: 'loop',
  infer: rule((node, ctx) => {
    const initial = node.inputs.slice(2).map((_, k) => ctx.type(k + 2));
    const head = [typeOf('i64', []), typeOf('bool', [])];
    let results: ReturnType<typeof ctx.subgraph> = null;
    const { carried, outputs } = settle(initial, (types) => {
      results = ctx.subgraph('body', [...head, ...types]);
      return (results as typeof outputs)?.slice(1) ?? null;
    });
    const count = initial.length;
    const types = node.outputs.map((_, k) => {
      if (!outputs) return null;
      if (k < count) return joinTypes(carried[k] ?? null, outputs[k] ?? null);
      const slice = outputs[k];
      return slice?.kind === 'tensor' ? typeOf(slice.dtype, slice.shape && [null, ...slice.shape]) : null;
    });
    return { types };
  }),
});

/** Scan: the body gets the state and one slice of each scanned input, and gives the state and one slice per scan output. */
export const Scan = op({
  name: 'Scan',
  since: 9,
  runs: 'scan',
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const states = node.inputs.length - a.num_scan_inputs;
    const initial = node.inputs.slice(0, states).map((_, k) => ctx.type(k));
    let length: Dim = null;
    const slices = node.inputs.slice(states).map((_, k): ValueType | null => {
      const x = tensorAt(ctx, states + k);
      if (!x?.shape) return typeOf(x?.dtype, null);
      const axis = axisIn(node, a.scan_input_axes?.[k] ?? 0, x.shape.length);
      length = unifyDim(length, x.shape[axis]!) ?? null;
      return typeOf(x.dtype, x.shape.toSpliced(axis, 1));
    });
    const { carried, outputs } = settle(initial, (types) => ctx.subgraph('body', [...types, ...slices]));
    const types = node.outputs.map((_, k) => {
      const type = outputs?.[k] ?? null;
      if (k < states) return joinTypes(carried[k] ?? null, type);
      if (type?.kind !== 'tensor' || !type.shape) return type;
      const axis = axisIn(node, a.scan_output_axes?.[k - states] ?? 0, type.shape.length + 1);
      return typeOf(type.dtype, type.shape.toSpliced(axis, 0, length));
    });
    return { types };
  }),
});
