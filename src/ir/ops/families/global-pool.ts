import type { OpDef, OpName } from '../define.js';
import { reduce } from '../nd.js';
import { need, one, rule, tensorAt } from '../rules.js';

/** f over all spatial dimensions of (batch, channels, spatial...), which become 1. */
export function globalPool<const Op extends OpName>(
  name: Op,
  f: (values: Float64Array) => number,
): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((_, ctx) => {
      const x = tensorAt(ctx, 0);
      return one(x?.dtype, x?.shape?.map((dim, k) => (k < 2 ? dim : 1)) ?? null);
    }),
    value: (_, inputs) => {
      const x = need(inputs, 0);
      return [reduce(x, [...x.shape.keys()].slice(2), true, f)];
    },
  };
}
