import type { DType } from '../../dtype.js';
import type { Node } from '../../model.js';
import type { Dim, Shape } from '../../shape.js';
import { attrsOf } from './attrs.js';
import type { AttrsOf, NdArray, OpDef, OpName } from './define.js';
import type { Ints } from './dims.js';
import { broadcastIndex } from './ints.js';
import { map, reshape, zip } from './nd.js';
import { attrs, axisIn, broadcastInputs, need, one, refuse, rule, sameAs, tensorAt } from './rules.js';
import { isInteger } from './tensor-values.js';

interface UnaryOptions {
  readonly since?: number;
  /** element type of the result where it is not that of the input */
  readonly dtype?: DType;
  /** contents of the result from integer contents of the input */
  readonly ints?: (values: Ints) => Ints;
  readonly linear?: boolean;
}

/** `com.microsoft::Gelu` -> the name and domain that an OpDef states. */
function domainOf<const Op extends OpName>(name: Op): { readonly name: Op; readonly domain?: string } {
  const split = name.lastIndexOf('::');
  return split < 0 ? { name } : { name, domain: name.slice(0, split) };
}

/** y = f(x), element by element: the shape of x. */
export function unary<const Op extends OpName>(
  name: Op,
  f: (x: number) => number,
  options: UnaryOptions = {},
): OpDef<Op> {
  const { since = 1, dtype, ints, linear } = options;
  return {
    ...domainOf(name),
    since,
    traits: linear ? ['pure', 'elementwise', 'linear'] : ['pure', 'elementwise'],
    infer: rule<Op>((_, ctx) => {
      const x = tensorAt(ctx, 0);
      const known = ints ? ctx.ints(0) : null;
      const values = known && ints!(known);
      return dtype ? one(x && dtype, x?.shape ?? null, values) : sameAs(x, values);
    }),
    value: (_, inputs) => [map(need(inputs, 0), f)],
  };
}

/** Like {@link unary} for functions with attributes: `prepare` reads them once. */
export function unaryWith<const Op extends OpName>(
  name: Op,
  since: number,
  prepare: (node: Parameters<NonNullable<OpDef<Op>['value']>>[0]) => (x: number) => number,
): OpDef<Op> {
  return {
    ...unary(name, Number, { since }),
    value: (node, inputs): NdArray[] => [map(need(inputs, 0), prepare(node))],
  };
}

interface BinaryOptions {
  readonly since?: number;
  readonly commutative?: boolean;
  /** linear in each input on its own (Add, Sub) */
  readonly linear?: boolean;
  readonly dtype?: DType;
  /** the same function on integer contents that may be symbolic */
  readonly ints?: (a: Dim, b: Dim) => Dim;
  /** the inputs may have different element types (Pow, BitShift) */
  readonly mixed?: boolean;
}

type F = (a: number, b: number, node: Node) => number;

type Broadcasting = { readonly axis?: number; readonly broadcast?: number };

/** The dimension of `a` on which the first of `b` lies. */
function placeOf(node: Node, a: Shape, b: Shape, { axis, broadcast }: Broadcasting): number {
  const start = broadcast && axis !== undefined ? axisIn(node, axis, a.length) : a.length - b.length;
  const fits = b.every((dim, k) => {
    const over = a[start + k];
    return (
      over !== undefined && (dim === 1 || typeof dim !== 'number' || typeof over !== 'number' || dim === over)
    );
  });
  if (!fits || (!broadcast && a.length !== b.length)) {
    refuse(node, `shape [${b.join(',')}] does not lie over [${a.join(',')}] by the rule before version 7`);
  }
  return start;
}

/**
 * z = f(a, b) with numpy broadcasting from version 7 on, and before it the older rule: shapes are equal or, with
 * broadcast=1, b is laid over a's dimensions from `axis` (default: the last ones) and the result has a's shape.
 */
export function binary<const Op extends OpName>(name: Op, f: F, options: BinaryOptions = {}): OpDef<Op>[] {
  const { since = 1, commutative, linear, dtype, ints, mixed } = options;
  const traits: NonNullable<OpDef['traits']> = [
    'pure',
    'elementwise',
    ...(commutative ? (['commutative'] as const) : []),
    ...(linear ? (['linear'] as const) : []),
  ];
  const now: OpDef<Op> = {
    name,
    since: Math.max(since, 7),
    traits,
    infer: rule<Op>((node, ctx) => {
      const a = tensorAt(ctx, 0);
      const b = tensorAt(ctx, 1);
      if (!mixed && a && b && a.dtype !== b.dtype)
        refuse(node, `element types ${a.dtype} and ${b.dtype} differ`);
      const shape = broadcastInputs(node, [a?.shape, b?.shape]);
      const result = dtype ?? a?.dtype ?? (mixed ? null : b?.dtype);
      const integers = !a || isInteger(a.dtype);
      const known =
        ints && integers && shape
          ? broadcastIndex([ctx.ints(0), ctx.ints(1)], [a!.shape!, b!.shape!], shape)
          : null;
      return one(
        result,
        shape,
        known?.map(([x, y]) => ints!(x!, y!)),
      );
    }),
    value: (node, inputs) => [zip([need(inputs, 0), need(inputs, 1)], (a, b) => f(a, b, node))],
  };
  if (since >= 7) return [now];
  const before: OpDef<Op> = {
    name,
    since,
    until: 6,
    traits,
    infer: rule<Op>((node, ctx) => {
      const a = tensorAt(ctx, 0);
      const b = tensorAt(ctx, 1);
      if (a?.shape && b?.shape) placeOf(node, a.shape, b.shape, attrs(node, ctx) as Broadcasting);
      return one(dtype ?? a?.dtype, a?.shape ?? null);
    }),
    value: (node, inputs): NdArray[] => {
      const a = need(inputs, 0);
      const b = need(inputs, 1);
      const start = placeOf(node, a.shape, b.shape, attrsOf(node, 6) as AttrsOf<Op> & Broadcasting);
      const trailing = new Array<number>(Math.max(0, a.shape.length - start - b.shape.length)).fill(1);
      return [zip([a, reshape(b, [...b.shape, ...trailing])], (x, y) => f(x, y, node))];
    },
  };
  return [before, now];
}
