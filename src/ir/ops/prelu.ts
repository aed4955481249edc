import { type NdArray, op } from './define.js';
import { binary } from './families/binary.js';
import { preluVjp } from './gradients/activations.js';
import { nd, zip } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

const prelu1 = (x: number, slope: number): number => (x < 0 ? slope * x : x);

/** PRelu: x, or slope x below 0. The slope broadcasts to x; before version 7 it is one number or one per channel. */
export const PRelu = [
  ...op(binary('PRelu', prelu1, { since: 7 }), { vjp: preluVjp }),
  op({
    name: 'PRelu',
    since: 1,
    until: 6,
    traits: ['pure', 'elementwise'],
    infer: rule((_, ctx) => {
      const x = tensorAt(ctx, 0);
      return one(x?.dtype, x?.shape ?? null);
    }),
    value: (_, inputs): NdArray[] => {
      const [x, slope] = [need(inputs, 0), need(inputs, 1)];
      const ones = new Array<number>(Math.max(0, x.shape.length - 2)).fill(1);
      const laid =
        slope.data.length === 1 ? nd([], slope.data) : nd([slope.data.length, ...ones], slope.data);
      return [zip([x, laid], (v, s) => prelu1(v!, s!))];
    },
  }),
];
