import { op } from './define.js';
import { whereVjp } from './gradients/elementwise.js';
import { broadcastIndex } from './ints.js';
import { zip } from './nd.js';
import { broadcastInputs, need, one, refuse, rule, tensorAt } from './rules.js';

/** Where: a where the condition holds, else b; all three broadcast. */
export const Where = op({
  name: 'Where',
  since: 9,
  traits: ['pure', 'elementwise'],
  infer: rule((node, ctx) => {
    const types = [0, 1, 2].map((index) => tensorAt(ctx, index));
    const [, a, b] = types;
    if (a && b && a.dtype !== b.dtype) refuse(node, `element types ${a.dtype} and ${b.dtype} differ`);
    const shapes = types.map((type) => type?.shape);
    const shape = broadcastInputs(node, shapes);
    const rows =
      shape &&
      broadcastIndex(
        [0, 1, 2].map((i) => ctx.ints(i)),
        shapes,
        shape,
      );
    const values = rows?.map(([condition, x, y]) => {
      if (typeof condition === 'number') return condition !== 0 ? x! : y!;
      return x === y ? x! : null;
    });
    return one(a?.dtype ?? b?.dtype, shape, values ?? null);
  }),
  value: (_, inputs) => [
    zip(
      [0, 1, 2].map((i) => need(inputs, i)),
      (c, a, b) => (c !== 0 ? a! : b!),
    ),
  ],
  vjp: whereVjp,
});
