import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { divExact, mulDim } from './dims.js';
import { spaceToDepthVjp } from './gradients/placement.js';
import { reshape, transpose } from './nd.js';
import { attrs, need, one, rankIn, rule, tensorAt } from './rules.js';

/** SpaceToDepth: squares of b x b pixels laid out as channels. */
export const SpaceToDepth = op({
  name: 'SpaceToDepth',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 4, 4, 'the input');
    const b = attrs(node, ctx).blocksize;
    if (!x?.shape) return one(x?.dtype, null);
    const [n, c, h, w] = x.shape;
    return one(x.dtype, [n!, mulDim(c!, b * b), divExact(h!, b), divExact(w!, b)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { blocksize: b } = attrsOf(node);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const y = transpose(reshape(x, [n, c, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]);
    return [reshape(y, [n, c * b * b, h / b, w / b])];
  },
  vjp: spaceToDepthVjp,
});
