import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { divExact, mulDim } from './dims.js';
import { depthToSpaceVjp } from './gradients/placement.js';
import { reshape, transpose } from './nd.js';
import { attrs, need, one, rankIn, rule, tensorAt } from './rules.js';

/** DepthToSpace: blocks of channels laid out as squares of b x b pixels, depth first (DCR) or column first (CRD). */
export const DepthToSpace = op({
  name: 'DepthToSpace',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 4, 4, 'the input');
    const b = attrs(node, ctx).blocksize;
    if (!x?.shape) return one(x?.dtype, null);
    const [n, c, h, w] = x.shape;
    return one(x.dtype, [n!, divExact(c!, b * b), mulDim(h!, b), mulDim(w!, b)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { blocksize: b, mode = 'DCR' } = attrsOf(node);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const small = c / (b * b);
    const y =
      mode === 'CRD'
        ? transpose(reshape(x, [n, small, b, b, h, w]), [0, 1, 4, 2, 5, 3])
        : transpose(reshape(x, [n, b, b, small, h, w]), [0, 3, 4, 1, 5, 2]);
    return [reshape(y, [n, small, h * b, w * b])];
  },
  vjp: depthToSpaceVjp,
});
