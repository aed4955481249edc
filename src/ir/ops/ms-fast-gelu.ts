import { type NdArray, op } from './define.js';
import { geluTanh } from './gelu-forms.js';
import { fastGeluVjp } from './gradients/gelu.js';
import { map, zip } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** com.microsoft FastGelu: the tanh form of Gelu of x + bias. */
export const MsFastGelu = op({
  name: 'com.microsoft::FastGelu',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (_, inputs): NdArray[] => {
    const x = need(inputs, 0);
    return [map(inputs[1] ? zip([x, inputs[1]], (a, b) => a! + b!) : x, geluTanh)];
  },
  vjp: fastGeluVjp,
});
