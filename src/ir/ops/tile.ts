import { staticShape } from '../shape.js';
import { op } from './define.js';
import { mulDim } from './dims.js';
import { tileVjp } from './gradients/tile.js';
import { gatherInts } from './ints.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { need, one, refuse, rule, tensorAt, unknownDims } from './rules.js';

/** Tile: the input repeated `repeats[k]` times along dimension k. */
export const Tile = op({
  name: 'Tile',
  since: 6,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const repeats = ctx.ints(1);
    if (!x?.shape) return one(x?.dtype, repeats ? unknownDims(repeats.length) : null);
    if (!repeats) return one(x.dtype, unknownDims(x.shape.length));
    if (repeats.length !== x.shape.length)
      refuse(node, `${repeats.length} repeats for rank ${x.shape.length}`, 1);
    const shape = x.shape.map((dim, k) => mulDim(dim, repeats[k]!));
    const values = ctx.ints(0);
    const from = staticShape(x.shape);
    if (!values || !from) return one(x.dtype, shape);
    const strides = stridesOf(from);
    return one(
      x.dtype,
      shape,
      gatherInts(
        shape,
        (index) =>
          values[
            offset(
              strides,
              index.map((i, k) => i % from[k]!),
            )
          ]!,
      ),
    );
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const repeats = need(inputs, 1).data;
    const strides = stridesOf(x.shape);
    const shape = x.shape.map((dim, k) => dim * repeats[k]!);
    return [
      fromIndex(
        shape,
        (index) =>
          x.data[
            offset(
              strides,
              index.map((i, k) => i % x.shape[k]!),
            )
          ]!,
      ),
    ];
  },
  vjp: tileVjp,
});
