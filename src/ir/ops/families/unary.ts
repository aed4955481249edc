import type { DType } from '../../dtype.js';
import type { NdArray, OpDef, OpName } from '../define.js';
import type { Ints } from '../dims.js';
import { map } from '../nd.js';
import { need, one, rule, tensorAt } from '../rules.js';

export interface UnaryOptions {
  readonly since?: number;
  /** element type of the result where it is not that of the input */
  readonly dtype?: DType;
  /** contents of the result from integer contents of the input */
  readonly ints?: (values: Ints) => Ints;
  readonly linear?: boolean;
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
      return one(x && (dtype ?? x.dtype), x?.shape ?? null, known && ints!(known));
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

/** `com.microsoft::Gelu` -> the name and domain that an OpDef states. */
export function domainOf<const Op extends OpName>(name: Op): { readonly name: Op; readonly domain?: string } {
  const split = name.lastIndexOf('::');
  return split < 0 ? { name } : { name, domain: name.slice(0, split) };
}
