import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { perChannel } from './families/norm.js';
import { batchNormVjp } from './gradients/channels.js';
import { zip } from './nd.js';
import { need, rule, tensorAt, typeOf } from './rules.js';

/** BatchNormalization with stored statistics: (x - mean) / sqrt(var + epsilon) * scale + bias per channel. */
export const BatchNormalization = op({
  name: 'BatchNormalization',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const channels = [x?.shape?.[1] ?? tensorAt(ctx, 1)?.shape?.[0] ?? null];
    return { types: node.outputs.map((_, k) => typeOf(x?.dtype, k === 0 ? (x?.shape ?? null) : channels)) };
  }),
  value: (node, inputs): NdArray[] => {
    const { epsilon, training_mode } = attrsOf(node);
    if (training_mode) throw new Error('BatchNormalization in training mode has no reference');
    const x = need(inputs, 0);
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map((k) =>
      perChannel(need(inputs, k), x.shape.length),
    );
    return [
      zip(
        [x, scale!, bias!, mean!, variance!],
        (v, s, b, m, q) => ((v! - m!) / Math.sqrt(q! + epsilon)) * s! + b!,
      ),
    ];
  },
  vjp: batchNormVjp,
});
