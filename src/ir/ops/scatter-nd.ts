import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { combine } from './families/scatter.js';
import { scatterNdVjp } from './gradients/placement.js';
import { offset, sizeOf, stridesOf } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** ScatterND: x with the slices that the index tuples name set to (or combined with) the updates. */
export const ScatterND = op({
  name: 'ScatterND',
  since: 11,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const updates = need(inputs, 2);
    const { reduction } = attrsOf(node);
    const tuple = indices.shape.at(-1)!;
    const inner = sizeOf(x.shape.slice(tuple));
    const strides = stridesOf(x.shape).slice(0, tuple);
    const data = Float64Array.from(x.data);
    for (let row = 0; row < sizeOf(indices.shape.slice(0, -1)); row++) {
      const where = Array.from(indices.data.subarray(row * tuple, (row + 1) * tuple), (k, t) =>
        k < 0 ? k + x.shape[t]! : k,
      );
      const base = offset(strides, where);
      for (let i = 0; i < inner; i++)
        data[base + i] = combine(reduction, data[base + i]!, updates.data[row * inner + i]!);
    }
    return [{ shape: x.shape, data }];
  },
  vjp: scatterNdVjp,
});
