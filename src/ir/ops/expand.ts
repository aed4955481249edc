import { op } from './define.js';
import { expandVjp } from './gradients/shape.js';
import { broadcastIndex } from './ints.js';
import { broadcastShape, broadcastTo } from './nd.js';
import { broadcastInputs, need, ofRank, one, rule, tensorAt } from './rules.js';

/** Expand: the input broadcast against a shape; an entry 1 keeps the input's extent. */
export const Expand = op({
  name: 'Expand',
  since: 8,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const wanted = ctx.ints(1);
    if (!x?.shape) return one(x?.dtype, null);
    if (!wanted) {
      const rank = tensorAt(ctx, 1)?.shape?.[0];
      return one(x.dtype, typeof rank === 'number' ? ofRank(Math.max(rank, x.shape.length)) : null);
    }
    const shape = broadcastInputs(node, [x.shape, wanted])!;
    const known = broadcastIndex([ctx.ints(0)], [x.shape], shape);
    return one(
      x.dtype,
      shape,
      known?.map(([v]) => v!),
    );
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    return [broadcastTo(x, broadcastShape([x.shape, [...need(inputs, 1).data]]))];
  },
  vjp: expandVjp,
  throughIntegers: true,
});
