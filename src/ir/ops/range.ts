import type { Dim } from '../shape.js';
import { op } from './define.js';
import { addDim, compareDims, divExact, mulDim, subDim } from './dims.js';
import { nd } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';
import { MAX_INTS, ndOf } from './tensor-values.js';

/** Range: start, start + delta, ... below limit (above it for a negative delta). */
export const Range = op({
  name: 'Range',
  since: 11,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const dtype = tensorAt(ctx, 0)?.dtype ?? tensorAt(ctx, 1)?.dtype;
    const values = [0, 1, 2].map((index): Dim => {
      const known = ctx.ints(index);
      if (known) return known[0] ?? null;
      const data = ctx.constant(index);
      return data ? (ndOf(data)?.data[0] ?? null) : null;
    });
    const [start, limit, delta] = values as [Dim, Dim, Dim];
    const count = countOf(start, limit, delta);
    const listed = typeof count === 'number' && count <= MAX_INTS && ctx.ints(0) && ctx.ints(2);
    return one(
      dtype,
      [count],
      listed ? Array.from({ length: count }, (__, i) => addDim(start, mulDim(i, delta))) : null,
    );
  }),
  value: (_, inputs) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => need(inputs, i).data[0]!) as [number, number, number];
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    return [
      nd(
        [count],
        Array.from({ length: count }, (__, i) => start + i * delta),
      ),
    ];
  },
  stopsGradient: true,
});

function countOf(start: Dim, limit: Dim, delta: Dim): Dim {
  if (typeof start === 'number' && typeof limit === 'number' && typeof delta === 'number') {
    return delta === 0 ? null : Math.max(0, Math.ceil((limit - start) / delta));
  }
  const length = divExact(subDim(limit, start), delta);
  return length !== null && compareDims(length, 0) === -1 ? 0 : length;
}
