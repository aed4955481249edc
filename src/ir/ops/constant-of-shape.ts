import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { gatherInts } from './ints.js';
import { nd, sizeOf } from './nd.js';
import { attrs, need, ofRank, one, rule, tensorAt } from './rules.js';
import { intsOf, ndOf } from './tensor-values.js';

/** ConstantOfShape: a tensor of the shape that the input lists, filled with `value` (default: 0 as float32). */
export const ConstantOfShape = op({
  name: 'ConstantOfShape',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { value } = attrs(node, ctx);
    const rank = tensorAt(ctx, 0)?.shape?.[0];
    const shape = ctx.ints(0) ?? ofRank(rank);
    const fill = value ? intsOf(value)?.[0] : undefined;
    return one(value?.dtype ?? 'f32', shape, fill === undefined ? null : gatherInts(shape, () => fill));
  }),
  value: (node, inputs) => {
    const { value } = attrsOf(node);
    const shape = [...need(inputs, 0).data];
    const fill = value ? (ndOf(value)?.data[0] ?? 0) : 0;
    return [nd(shape, new Float64Array(sizeOf(shape)).fill(fill))];
  },
  stopsGradient: true,
});
