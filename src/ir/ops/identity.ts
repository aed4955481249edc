import { op } from './define.js';
import { identityVjp } from './gradients/elementwise.js';
import { need, rule } from './rules.js';

/** Identity: y = x, of any type. */
export const Identity = op({
  name: 'Identity',
  since: 1,
  traits: ['pure', 'elementwise', 'linear'],
  infer: rule((_, ctx) => ({ types: [ctx.type(0)], ints: [ctx.ints(0)] })),
  value: (_, inputs) => [need(inputs, 0)],
  vjp: identityVjp,
  throughIntegers: true,
});
