import { type NdArray, op } from './define.js';
import { geluErf } from './gelu-forms.js';
import { biasGeluVjp } from './gradients/gelu.js';
import { map, zip } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** com.microsoft BiasGelu: Gelu of a + b, where b is a bias over the last dimension. */
export const MsBiasGelu = op({
  name: 'com.microsoft::BiasGelu',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (_, inputs): NdArray[] => [
    map(
      zip([need(inputs, 0), need(inputs, 1)], (a, b) => a! + b!),
      geluErf,
    ),
  ],
  vjp: biasGeluVjp,
});
