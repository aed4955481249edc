import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { affine, normalise } from './families/norm.js';
import { rmsNormVjp } from './gradients/norm.js';
import { attrs, axisIn, need, rule, tensorAt, typeOf } from './rules.js';
import { leadingSlices } from './slices/rules.js';

/** SimplifiedLayerNormalization (ONNX Runtime, in the standard domain): as RMSNormalization, with 1/rms as second output. */
export const SimplifiedLayerNormalization = op({
  name: 'SimplifiedLayerNormalization',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { axis, stash_type } = attrs(node, ctx);
    const at = x?.shape ? axisIn(node, axis, x.shape.length) : 0;
    const kept = x?.shape?.map((dim, k) => (k < at ? dim : 1)) ?? null;
    return { types: [typeOf(x?.dtype, x?.shape ?? null), typeOf(x && dtypeFromOnnx(stash_type), kept)] };
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, epsilon } = attrsOf(node);
    const { y, inverse } = normalise(x, axisIn(node, axis, x.shape.length), epsilon, false);
    return [affine(y, need(inputs, 1), null), inverse];
  },
  vjp: rmsNormVjp,
});
