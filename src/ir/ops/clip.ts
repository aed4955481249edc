import { attrsOf } from './attrs.js';
import { type NdArray, type OpDef, op } from './define.js';
import { maxDim, minDim } from './dims.js';
import { clipVjp } from './gradients/elementwise.js';
import { map } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** Clip: x held between min and max, which are attributes before version 11 and optional inputs from then on. */
export const Clip = op([clipOf(1, 10), clipOf(11)], { vjp: clipVjp });

function clipOf(since: number, until?: number): OpDef<'Clip'> {
  const asInput = since >= 11;
  return op({
    name: 'Clip',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'elementwise'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const values = asInput ? ctx.ints(0) : null;
      const [low, high] = [ctx.ints(1), ctx.ints(2)];
      const known = values && (!node.inputs[1] || low) && (!node.inputs[2] || high);
      const clipped = values?.map((v) => {
        const above = low ? maxDim(v, low[0]!) : v;
        return high ? minDim(above, high[0]!) : above;
      });
      return one(x?.dtype, x?.shape ?? null, known ? clipped! : null);
    }),
    value: (node, inputs): NdArray[] => {
      const a = attrsOf(node);
      const low = asInput ? inputs[1]?.data[0] : a.min;
      const high = asInput ? inputs[2]?.data[0] : a.max;
      return [
        map(need(inputs, 0), (x) => {
          const above = low !== undefined && x < low ? low : x;
          return high !== undefined && above > high ? high : above;
        }),
      ];
    },
  });
}
