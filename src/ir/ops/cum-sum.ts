import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { cumSumVjp } from './gradients/placement.js';
import { alongAxis } from './nd.js';
import { axisIn, need, one, rule, tensorAt } from './rules.js';

/** CumSum: running sums along an axis; `exclusive` leaves the element itself out, `reverse` runs from the end. */
export const CumSum = op({
  name: 'CumSum',
  since: 11,
  traits: ['pure', 'linear'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { exclusive, reverse } = attrsOf(node);
    const axis = axisIn(node, need(inputs, 1).data[0]!, x.shape.length);
    const run = (line: Float64Array): Float64Array => {
      let sum = 0;
      return line.map((value) => {
        const before = sum;
        sum += value;
        return exclusive ? before : sum;
      });
    };
    return [alongAxis(x, axis, (line) => (reverse ? run(line.toReversed()).toReversed() : run(line)))];
  },
  vjp: cumSumVjp,
});
