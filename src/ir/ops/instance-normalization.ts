import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { affine, normalise, perChannel } from './families/norm.js';
import { instanceNormVjp } from './gradients/channels.js';
import { need, one, rule, tensorAt } from './rules.js';

/** InstanceNormalization: over the spatial dimensions of each channel of each instance, then scale and bias per channel. */
export const InstanceNormalization = op({
  name: 'InstanceNormalization',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const [scale, bias] = [1, 2].map((k) => perChannel(need(inputs, k), x.shape.length));
    return [affine(normalise(x, 2, attrsOf(node).epsilon, true).y, scale!, bias)];
  },
  vjp: instanceNormVjp,
});
