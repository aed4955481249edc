import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { lpNormVjp } from './gradients/channels.js';
import { alongAxis } from './nd.js';
import { axisIn, need, one, rule, tensorAt } from './rules.js';

/** LpNormalization: each line along `axis` divided by its 1- or 2-norm. */
export const LpNormalization = op({
  name: 'LpNormalization',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, p } = attrsOf(node);
    return [
      alongAxis(x, axisIn(node, axis, x.shape.length), (line) => {
        const norm = line.reduce((a, v) => a + Math.abs(v) ** p, 0) ** (1 / p);
        return line.map((v) => (norm === 0 ? 0 : v / norm));
      }),
    ];
  },
  vjp: lpNormVjp,
});
