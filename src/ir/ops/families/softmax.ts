import { attrsOf } from '../attrs.js';
import type { AttrsOf, NdArray, OpDef, OpName } from '../define.js';
import { alongAxis, reshape, sizeOf } from '../nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from '../rules.js';
import { leadingSlices, otherAxesSlices } from '../slices/rules.js';

type AxisAttrs = { readonly axis: number };

/**
 * A map of lines to lines of the same length. From version 13 on a line runs along `axis` (default -1); before it the
 * input counts as a matrix whose rows are all dimensions from `axis` (default 1) on.
 */
export function lineOp<const Op extends OpName>(
  name: Op,
  f: (line: Float64Array) => Float64Array,
): OpDef<Op>[] {
  const infer = rule<Op>((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, (attrs(node, ctx) as AxisAttrs).axis, Math.max(1, x.shape.length));
    return one(x?.dtype, x?.shape ?? null);
  });
  return [
    {
      name,
      since: 1,
      until: 12,
      traits: ['pure'],
      infer,
      slices: (node, axis) => leadingSlices(node, axis, (attrsOf(node, 1) as AttrsOf<Op> & AxisAttrs).axis),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const axis = axisIn(node, (attrsOf(node, 1) as AttrsOf<Op> & AxisAttrs).axis, x.shape.length);
        const rows = sizeOf(x.shape.slice(0, axis));
        const matrix = reshape(x, [rows, sizeOf(x.shape.slice(axis))]);
        return [reshape(alongAxis(matrix, 1, f), x.shape)];
      },
    },
    {
      name,
      since: 13,
      traits: ['pure'],
      infer,
      slices: (node, axis) =>
        otherAxesSlices(node, axis, (attrsOf(node, 13) as AttrsOf<Op> & AxisAttrs).axis),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const axis = (attrsOf(node, 13) as AttrsOf<Op> & AxisAttrs).axis;
        return [alongAxis(x, axisIn(node, axis, x.shape.length), f)];
      },
    },
  ];
}
