import type { Node } from '../model.js';
import { type Dim, type Shape, shapeText, staticShape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { divExact, type Ints, productOf } from './dims.js';
import { reshapeVjp } from './gradients/shape.js';
import { reshape as reshapeNd, sizeOf } from './nd.js';
import { attrs, need, ofRank, one, refuse, rule, tensorAt } from './rules.js';
import { reshapeSlices } from './slices/rules.js';

/**
 * Reshape: the same elements in another shape. An entry 0 copies the input's extent (unless allowzero=1), one entry
 * -1 takes what is left. An entry that is not known is worked out when it is the only one.
 */
export const Reshape = op(
  [
    op({
      name: 'Reshape',
      since: 5,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        const wanted = ctx.ints(1);
        if (!wanted) {
          const rank = tensorAt(ctx, 1)?.shape?.[0];
          return one(x?.dtype, ofRank(rank));
        }
        const shape = resolve(node, x?.shape ?? null, wanted, attrs(node, ctx).allowzero === 1);
        return one(x?.dtype, shape, ctx.ints(0));
      }),
      slices: (node, axis) => reshapeSlices(node, axis),
      value: (node, inputs) => {
        const x = need(inputs, 0);
        const shape = resolve(node, x.shape, [...need(inputs, 1).data], attrsOf(node).allowzero === 1);
        return [reshapeNd(x, shape as readonly number[])];
      },
    }),
    op({
      name: 'Reshape',
      since: 1,
      until: 4,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        const { shape } = attrs(node, ctx);
        return one(x?.dtype, shape ? resolve(node, x?.shape ?? null, shape, false) : null, ctx.ints(0));
      }),
      value: (node, inputs) => {
        const x = need(inputs, 0);
        const shape = resolve(node, x.shape, attrsOf(node, 1).shape ?? [], false);
        return [reshapeNd(x, shape as readonly number[])];
      },
    }),
  ],
  { vjp: reshapeVjp, throughIntegers: true },
);

function resolve(node: Node, from: Shape | null, wanted: Ints, allowZero: boolean): Shape {
  const dims: Dim[] = wanted.map((dim, k) => {
    if (dim !== 0 || allowZero) return dim;
    if (from && k >= from.length)
      refuse(node, `entry ${k} copies an extent that ${shapeText(from)} does not have`);
    return from?.[k] ?? null;
  });
  const open = dims.flatMap((dim, k) => (dim === -1 || dim === null ? [k] : []));
  const total = from ? productOf(from) : null;
  if (open.length === 1) {
    const rest = productOf(dims.filter((_, k) => k !== open[0]));
    if (typeof total === 'number' && typeof rest === 'number' && rest !== 0 && total % rest !== 0) {
      refuse(node, `${shapeText(from)} has ${total} elements, which ${rest} does not divide`);
    }
    dims[open[0]!] = divExact(total, rest);
  }
  const result = dims.map((dim) => (dim === -1 ? null : dim));
  const extents = staticShape(result);
  if (typeof total === 'number' && extents && sizeOf(extents) !== total) {
    refuse(node, `${shapeText(from)} has ${total} elements, ${shapeText(extents)} does not`);
  }
  return result;
}
