import type { Node } from '../model.js';
import type { Dim, Shape } from '../shape.js';
import { type OpDef, op } from './define.js';
import { axesFor, axesIn } from './families/axes.js';
import { reshapeVjp } from './gradients/shape.js';
import { reshape } from './nd.js';
import { axisIn, need, ofRank, one, refuse, rule, tensorAt } from './rules.js';

/** Unsqueeze: with new dimensions of extent 1 at the places `axes` of the result. Axes are an input from version 13 on. */
export const Unsqueeze = op([unsqueezeOf(1, 12), unsqueezeOf(13)], {
  vjp: reshapeVjp,
  throughIntegers: true,
});

function unsqueezeOf(since: number, until?: number): OpDef<'Unsqueeze'> {
  const asInput = since >= 13;
  return op({
    name: 'Unsqueeze',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axes = axesFor(node, ctx, asInput);
      if (!x?.shape) return one(x?.dtype, null);
      if (!axes) {
        const count = tensorAt(ctx, 1)?.shape?.[0];
        return one(x.dtype, typeof count === 'number' ? ofRank(x.shape.length + count) : null);
      }
      return one(x.dtype, widened(node, x.shape, axes), ctx.ints(0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      return [reshape(x, widened(node, x.shape, axesIn(node, inputs, asInput) ?? []) as readonly number[])];
    },
  });
}

function widened(node: Node, shape: Shape, axes: readonly number[]): Shape {
  const rank = shape.length + axes.length;
  const places = new Set(axes.map((axis) => axisIn(node, axis, rank)));
  if (places.size !== axes.length) refuse(node, `axes [${axes.join(',')}] repeat a dimension`);
  const rest = shape[Symbol.iterator]();
  return Array.from({ length: rank }, (_, k): Dim => (places.has(k) ? 1 : rest.next().value!));
}
