import { attrsOf } from '../attrs.js';
import type { AttrsOf, NdArray, OpDef } from '../define.js';
import { zip } from '../nd.js';
import { broadcastInputs, need, rule, tensorAt, typeOf } from '../rules.js';
import { affine, normalise } from './norm.js';

type SkipNorm = 'com.microsoft::SkipLayerNormalization' | 'com.microsoft::SkipSimplifiedLayerNormalization';

/** Normalisation of input + skip (+ bias) over the last dimension; outputs: y, mean, 1/deviation, the sum. */
export function skipNormOp<const Op extends SkipNorm>(name: Op, centre: boolean): OpDef<Op> {
  return {
    name,
    domain: 'com.microsoft',
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const [x, skip] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
      const shape = x?.shape ?? null;
      if (shape && skip?.shape) broadcastInputs(node, [shape, skip.shape]);
      const kept = shape ? [...shape.slice(0, -1), 1] : null;
      const stash = typeOf(x && 'f32', kept);
      return { types: [typeOf(x?.dtype, shape), stash, stash, typeOf(x?.dtype, shape)] };
    }),
    value: (node, inputs): NdArray[] => {
      const { epsilon } = attrsOf(node) as AttrsOf<Op> & { readonly epsilon: number };
      const [beta, bias] = centre ? [inputs[3], inputs[4]] : [null, inputs[3]];
      const parts = [need(inputs, 0), need(inputs, 1), ...(bias ? [bias] : [])];
      const total = zip(parts, (...values) => values.reduce((a, b) => a + b));
      const { y, mean, inverse } = normalise(total, total.shape.length - 1, epsilon, centre);
      return [affine(y, need(inputs, 2), beta), mean, inverse, total];
    },
  };
}
