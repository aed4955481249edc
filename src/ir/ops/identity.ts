import { defineOp } from './define.js';
import { throughIntegers, withGradient } from './gradients/attach.js';
import { identityVjp } from './gradients/elementwise.js';
import { need, rule } from './rules.js';

/** Identity: y = x, of any type. */
export const identity = throughIntegers(
  withGradient(
    defineOp({
      name: 'Identity',
      since: 1,
      traits: ['pure', 'elementwise', 'linear'],
      infer: rule((_, ctx) => ({ types: [ctx.type(0)], ints: [ctx.ints(0)] })),
      evaluate: (_, inputs) => [need(inputs, 0)],
    }),
    identityVjp,
  ),
);
