import { dtypeFromOnnx } from '../../dtype.js';
import type { OpDef } from '../define.js';
import { attrs, one, rule, tensorAt } from '../rules.js';

/** A random tensor of the shape and type that attributes state. Not pure: two nodes are never the same. */
export function randomOp<const Op extends 'RandomNormal' | 'RandomUniform'>(name: Op): OpDef<Op> {
  return {
    name,
    since: 1,
    infer: rule<Op>((node, ctx) => {
      const { dtype = 1, shape } = attrs(node, ctx) as { dtype?: number; shape?: readonly number[] };
      return one(dtypeFromOnnx(dtype), shape ?? null);
    }),
  };
}

/** A random tensor of the input's shape, and of its type unless `dtype` says otherwise. */
export function randomLikeOp<const Op extends 'RandomNormalLike' | 'RandomUniformLike' | 'Bernoulli'>(
  name: Op,
  since = 1,
): OpDef<Op> {
  return {
    name,
    since,
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const { dtype } = attrs(node, ctx) as { dtype?: number };
      return one(dtype ? dtypeFromOnnx(dtype) : x?.dtype, x?.shape ?? null);
    }),
  };
}
