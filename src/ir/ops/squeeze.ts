import type { Node } from '../model.js';
import type { Shape } from '../shape.js';
import { type OpDef, op } from './define.js';
import { axesFor, axesIn } from './families/axes.js';
import { reshapeVjp } from './gradients/shape.js';
import { reshape } from './nd.js';
import { axisIn, need, ofRank, one, refuse, rule, tensorAt } from './rules.js';

/** Squeeze: without the dimensions `axes` of extent 1 (all such when absent). Axes are an input from version 13 on. */
export const Squeeze = op([squeezeOf(1, 12), squeezeOf(13)], { vjp: reshapeVjp, throughIntegers: true });

function squeezeOf(since: number, until?: number): OpDef<'Squeeze'> {
  const asInput = since >= 13;
  return op({
    name: 'Squeeze',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axes = axesFor(node, ctx, asInput);
      if (!x?.shape) return one(x?.dtype, null);
      if (axes === null) {
        const count = tensorAt(ctx, 1)?.shape?.[0];
        return one(x.dtype, typeof count === 'number' ? ofRank(x.shape.length - count) : null);
      }
      return one(x.dtype, squeezed(node, x.shape, axes), ctx.ints(0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      return [reshape(x, squeezed(node, x.shape, axesIn(node, inputs, asInput)) as readonly number[])];
    },
  });
}

function squeezed(node: Node, shape: Shape, axes: readonly number[] | undefined): Shape | null {
  // which dimensions have extent 1 is only known when all are numbers
  if (!axes) return shape.every((dim) => typeof dim === 'number') ? shape.filter((dim) => dim !== 1) : null;
  const gone = axes.map((axis) => axisIn(node, axis, shape.length));
  for (const axis of gone) {
    const dim = shape[axis];
    if (typeof dim === 'number' && dim !== 1)
      refuse(node, `dimension ${axis} of extent ${dim} cannot be squeezed`);
  }
  return shape.filter((_, k) => !gone.includes(k));
}
