import { tokenScale } from '../../../adapter/kernel-form.js';
import type { AdaptedLayer, LayerRegion } from '../model/layers.js';
import type { Launch, Merging, Operand } from '../model/types.js';
import { flipped, plain, productLaunch } from './launches.js';
import { downOf, layerLaunch, type RegionContext, scaleText, segment, upName } from './strategies.js';
import { sideName } from './weight-space.js';

/** A tied weight is folded once, with the adapter of its site. */
export function mergingOf(
  regions: readonly LayerRegion[],
  contextOf: (region: LayerRegion) => RegionContext,
): Merging {
  const weights = new Map<string, (sign: 1 | -1) => Launch>();
  const forward = regions.map((region) => {
    const context = contextOf(region);
    const { buffers } = context;
    return region.layers.map((layer) => {
      const weight = buffers.weight(layer);
      const { buffer } = weight.matrix;
      if (!weights.has(buffer)) weights.set(buffer, (sign) => fold(sign, region, layer, weight, context));
      const x = segment(plain(buffers.ofInput('x', region)), weight, region.in);
      return { ...layerLaunch(layer, context, [x], 'x W'), name: `merged_${buffers.layerNumber(layer)}` };
    });
  });
  const all = (sign: 1 | -1) => [...weights.values()].map((make) => make(sign));
  return { merge: all(1), unmerge: all(-1), forward };
}

function fold(
  sign: 1 | -1,
  region: LayerRegion,
  layer: AdaptedLayer,
  { matrix, transposed }: Operand,
  { buffers, target, group }: RegionContext,
): Launch {
  const [down, up] = [downOf(region, layer, buffers), buffers.up(layer)];
  const product = transposed
    ? segment(flipped(up.matrix), flipped(down.matrix), region.rank)
    : segment(down, up, region.rank);
  const [name, means] = sign === 1 ? ['merge', '+='] : ['unmerge', '-='];
  return productLaunch(target, {
    name: `${name}_${matrix.buffer}`,
    family: 'rankBatched',
    does: `W ${means} ${scaleText(group)}${sideName(group, 'down')} ${upName(group)}`,
    rows: matrix.rows,
    cols: matrix.cols,
    segments: [product],
    epilogue: { scale: sign * tokenScale(group), accumulate: true },
    out: matrix,
  });
}
