import { attrsOf } from '../attrs.js';
import type { AttrsOf, OpDef, OpName } from '../define.js';
import { reduce } from '../nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from '../rules.js';
import { reducedShape } from './reduce.js';

type ArgAttrs = { readonly axis: number; readonly keepdims: number; readonly select_last_index?: number };

/** Index of the element that wins along `axis`: the first, or with select_last_index the last, of equals. */
export function argOp<const Op extends OpName>(
  name: Op,
  beats: (a: number, b: number) => boolean,
): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const shape = tensorAt(ctx, 0)?.shape;
      if (!shape) return one('i64', null);
      const { axis, keepdims } = attrs(node, ctx) as ArgAttrs;
      return one('i64', reducedShape(shape, [axisIn(node, axis, shape.length)], keepdims !== 0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      const { axis, keepdims, select_last_index } = attrsOf(node) as AttrsOf<Op> & ArgAttrs;
      const pick = (values: Float64Array): number =>
        values.reduce((best, value, i) => {
          const won = beats(value, values[best]!) || (select_last_index === 1 && value === values[best]);
          return won ? i : best;
        }, 0);
      return [reduce(x, [axisIn(node, axis, x.shape.length)], keepdims !== 0, pick)];
    },
  };
}
