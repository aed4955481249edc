import { defineOp, type NdArray } from './define.js';
import { geluTanh } from './gelu-forms.js';
import { withGradient } from './gradients/attach.js';
import { fastGeluVjp } from './gradients/gelu.js';
import { map, zip } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** com.microsoft FastGelu: the tanh form of Gelu of x + bias. */
export const msFastGelu = withGradient(
  defineOp({
    name: 'com.microsoft::FastGelu',
    domain: 'com.microsoft',
    since: 1,
    traits: ['pure', 'elementwise'],
    infer: rule((_, ctx) => {
      const x = tensorAt(ctx, 0);
      return one(x?.dtype, x?.shape ?? null);
    }),
    evaluate: (_, inputs): NdArray[] => {
      const x = need(inputs, 0);
      return [map(inputs[1] ? zip([x, inputs[1]], (a, b) => a! + b!) : x, geluTanh)];
    },
  }),
  fastGeluVjp,
);
