import type { Node } from '../model.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, op } from './define.js';
import { nd } from './nd.js';
import { attrs, need, one, rule, tensorAt } from './rules.js';

/** Shape: the extents of the input, or from version 15 on those of dimensions `start` to `end`. */
export const ShapeOp = op({
  name: 'Shape',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const dims = tensorAt(ctx, 0)?.shape;
    if (!dims) return one('i64', [null]);
    const part = dims.slice(...range(attrs(node, ctx)));
    return one('i64', [part.length], part);
  }),
  value: (node: Node<'Shape'>, inputs) => {
    const part = need(inputs, 0).shape.slice(...range(attrsOf(node)));
    return [nd([part.length], part)];
  },
  stopsGradient: true,
});

/** Array.slice clamps and counts from the end as the specification asks. */
function range({ start = 0, end }: AttrsOf<'Shape'>): [number, number?] {
  return end === undefined ? [start] : [start, end];
}
