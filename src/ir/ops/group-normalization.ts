import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { affine, normalise, perChannel } from './families/norm.js';
import { groupNormVjp } from './gradients/channels.js';
import { nd, reshape } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** GroupNormalization: over groups of channels; scale and bias are per group before version 21, per channel after. */
export const GroupNormalization = op({
  name: 'GroupNormalization',
  since: 18,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { epsilon, num_groups } = attrsOf(node);
    const channels = x.shape[1]!;
    const grouped = reshape(x, [x.shape[0]!, num_groups, x.data.length / (x.shape[0]! * num_groups)]);
    const y = reshape(normalise(grouped, 2, epsilon, true).y, x.shape);
    const spread = (p: NdArray): NdArray =>
      perChannel(
        nd(
          [channels],
          Array.from({ length: channels }, (_, c) => p.data[Math.floor((c * p.data.length) / channels)]!),
        ),
        x.shape.length,
      );
    return [affine(y, spread(need(inputs, 1)), spread(need(inputs, 2)))];
  },
  vjp: groupNormVjp,
});
