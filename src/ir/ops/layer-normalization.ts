import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { affine, normalise } from './families/norm.js';
import { layerNormVjp } from './gradients/norm.js';
import { attrs, axisIn, need, rule, tensorAt, typeOf } from './rules.js';
import { leadingSlices } from './slices/rules.js';

/** LayerNormalization: (x - mean) / sqrt(variance + epsilon) * scale + bias over the dimensions from `axis` on. */
export const LayerNormalization = op({
  name: 'LayerNormalization',
  since: 1, // in the schema from 17 on; ONNX Runtime wrote it into older models
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { axis = -1, stash_type = 1 } = attrs(node, ctx);
    const at = x?.shape ? axisIn(node, axis, x.shape.length) : 0;
    const kept = x?.shape?.map((dim, k) => (k < at ? dim : 1)) ?? null;
    const stash = typeOf(x && dtypeFromOnnx(stash_type), kept);
    return { types: [typeOf(x?.dtype, x?.shape ?? null), stash, stash] };
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis ?? -1),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = -1, epsilon = 1e-5 } = attrsOf(node);
    const { y, mean, inverse } = normalise(x, axisIn(node, axis, x.shape.length), epsilon, true);
    return [affine(y, need(inputs, 1), inputs[2]), mean, inverse];
  },
  vjp: layerNormVjp,
});
