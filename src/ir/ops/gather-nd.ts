import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { gatherNdVjp } from './gradients/gather.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, need, one, refuse, rule, tensorAt } from './rules.js';

/** GatherND: the last dimension of the indices holds index tuples into x, after `batch_dims` common dimensions. */
export const GatherND = op({
  name: 'GatherND',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape;
    const tuple = at?.at(-1);
    if (!x?.shape || !at || typeof tuple !== 'number') return one(x?.dtype, null);
    const batch = attrs(node, ctx).batch_dims ?? 0;
    if (batch + tuple > x.shape.length)
      refuse(node, `index tuples of ${tuple} are too long for rank ${x.shape.length}`, 1);
    return one(x.dtype, [...at.slice(0, -1), ...x.shape.slice(batch + tuple)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const batch = attrsOf(node).batch_dims ?? 0;
    const outer = indices.shape.slice(0, -1);
    const tuple = indices.shape.at(-1)!;
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    return [
      fromIndex([...outer, ...x.shape.slice(batch + tuple)], (index) => {
        const base = offset(indexStrides, index.slice(0, outer.length));
        const where = Array.from({ length: tuple }, (_, t) => {
          const k = indices.data[base + t]!;
          return k < 0 ? k + x.shape[batch + t]! : k;
        });
        return x.data[offset(strides, [...index.slice(0, batch), ...where, ...index.slice(outer.length)])]!;
      }),
    ];
  },
  vjp: gatherNdVjp,
});
