import type { LayerRegion } from '../model/layers.js';
import type { Launch, MatrixRef } from '../model/types.js';
import { borderOf } from './buffers.js';
import { flipped, plain, productLaunch } from './launches.js';
import {
  backwardOf,
  downLaunch,
  downName,
  layerLaunch,
  type RegionCandidate,
  type RegionContext,
  segment,
  upName,
} from './strategies.js';
import { borders } from './views.js';
import { sideLaunches } from './weight-space.js';

/**
 * Bordered weight (S0): [[W, R], [L', 0]] in place of W, x stored with room for P and dy with room for dP, so that
 * y = [x|P] [W; L'] and dx = [dy|dP] [W|R]^T are single calls of the vendor's library. The caller has to store
 * x and dy in this way. The calls include the whole border with its zeros, because libraries are fast at lengths that are
 * multiples of 8. Activations are not fused, not even in serving.
 */
export function bordered(region: LayerRegion, given: RegionContext): RegionCandidate {
  const { buffers, target, group } = given;
  const views = borders(buffers, region);
  const context: RegionContext = { ...given, views };
  const weights =
    group.form.up.bare !== null
      ? []
      : region.layers.map((layer) => {
          const { buffer, dtype, offset, rowStride } = views.up(layer).matrix;
          const stride = Number(rowStride);
          // rows of the border are further apart than those of the side itself
          const own = buffers.computed(group.id, 'up', layer.site);
          const strides = own.strides.map((each) => (each / layer.out) * stride);
          const out = { ...own, buffer, dtype, offset, strides: [...strides.slice(0, -1), 1] };
          return sideLaunches(group, 'up', layer.site, out, ' into the border of W', buffers, target);
        });
  const room = borderOf(region);
  const wider = (matrix: MatrixRef, cols: number): MatrixRef => ({ ...matrix, cols });
  const forward = region.layers.map((layer) => {
    const all = buffers.bordered(region, layer);
    const inner = region.in + room;
    const a = plain(wider(views.x(region), inner));
    const b = plain({ ...all, rows: inner, cols: layer.out });
    return layerLaunch(layer, context, [segment(a, b, inner)], `[x|P] [W; ${upName(group)}]`, {
      library: true,
    });
  });
  const dx = (id: number): readonly Launch[] =>
    region.layers.map((layer, index) => {
      const width = layer.out + (index === 0 ? room : 0);
      const b = flipped({ ...buffers.bordered(region, layer), rows: region.in, cols: width });
      return productLaunch(target, {
        name: region.layers.length > 1 ? `dx_${id}_${index + 1}` : `dx_${id}`,
        family: 'blas',
        does:
          index === 0
            ? `dx ${given.addsToDx ? '+=' : '='} [dy|dP] [W|${downName(region, group)}]^T`
            : 'dx += dy W^T',
        rows: 'M',
        cols: region.in,
        segments: [segment(plain(wider(views.dy(layer), width)), b, width)],
        epilogue: { accumulate: index > 0 || given.addsToDx },
        out: buffers.ofInput('dx', region),
      });
    });
  return {
    strategy: 'L-fold',
    scheme: 'S0',
    weights,
    forward: [downLaunch(region, context), ...forward],
    backward: backwardOf(region, context, dx),
  };
}
