import { fail } from '../../../ir/diagnostics.js';
import { noRowAdapters } from '../../codes/kernels.js';
import type { Group, LayerRegion } from '../model/layers.js';
import type { Launch, RowDown, RowUp, TileSchedule } from '../model/types.js';
import { plain } from './launches.js';
import { priced } from './price.js';
import { factorOfRows, rowAdapters, rowSums } from './row-buffers.js';
import { LIBRARY } from './schedule.js';
import { layerLaunch, type RegionCandidate, type RegionContext, segment } from './strategies.js';
import { eightsOf, foursOf, VECTOR } from './vectors.js';

/**
 * Rows with adapters of their own: P = x down and then D = s P core up, row by row with the matrices of the row's adapter, each in one
 * launch for the region; then y = x W + D for all rows, a product per layer. As many launches for any number of adapters. Throws
 * LOTR6012 where adapters of other ranks have no such form.
 */
export function byRow(region: LayerRegion, context: RegionContext, most: number): RegionCandidate {
  const { buffers, target, group } = context;
  const because = whyNotByRow(region, group);
  if (because !== null) fail(noRowAdapters({ region: region.label, because }));
  const { layers, in: inner } = region;
  const webgpu = target.device.api === 'webgpu';
  const together = (length: number) => (webgpu ? foursOf(length) : eightsOf(length));
  // a host uploads the part of an adapter in whole words and vectors
  const room = webgpu ? VECTOR * Math.ceil(most / VECTOR) : most;
  const [{ out: cols }] = layers as readonly [LayerRegion['layers'][number]];
  const { form, factors } = group;
  const up = form.up.bare ?? form.core![1];
  const core = form.up.bare === null ? form.core![0] : null;
  const of = rowAdapters(buffers, group.id, room);
  const down = factorOfRows(buffers, region, form.down.bare!, room, { length: inner, turned: true });
  const [first, last] = [factors[form.down.bare!]!.name, factors[up]!.name];
  const middle = core === null ? '' : ` ${factors[core]!.name}`;
  const p = rowSums(buffers, 'P', region, down.count * room);
  const added = rowSums(buffers, 'D', region, layers.length * cols);
  const downward: RowDown = {
    kind: 'row-down',
    together: together(inner),
    rows: 'M',
    inner,
    downs: down.count,
    of,
    x: buffers.ofInput('x', region),
    down: down.at,
    out: p,
  };
  const ending = factorOfRows(buffers, region, up, room, { length: cols, turned: false });
  const upward: RowUp = {
    kind: 'row-up',
    together: together(cols),
    rows: 'M',
    cols,
    layers: layers.length,
    downs: down.count,
    ups: ending.count,
    of,
    p,
    core:
      core === null ? null : factorOfRows(buffers, region, core, room, { length: null, turned: false }).at,
    up: ending.at,
    out: added,
  };
  const number = buffers.number(region);
  const launch = (name: string, does: string, work: RowDown | RowUp): Launch =>
    priced({ name: `${name}_${number}`, family: 'rows', schedule: rowTile(work), work, does }, target);
  return {
    strategy: 'rows',
    scheme: 'S1',
    weights: [],
    forward: [
      launch('down', `P = x ${first} of the adapter of each row`, downward),
      launch('added', `D = s P${middle} ${last} of the adapter of each row`, upward),
      ...layers.map((layer, n) => {
        const x = segment(plain(buffers.ofInput('x', region)), buffers.weight(layer), inner);
        const residual = { ...added, cols, offset: n * cols };
        return layerLaunch(layer, context, [x], 'x W + D', { residual });
      }),
    ],
    backward: [],
  };
}

/** A row and RANKS columns of P in a workgroup, whose invocations lie along the inner dimension; or columns of D, some for each. */
export function rowTile(work: RowDown | RowUp): TileSchedule {
  return work.kind === 'row-down'
    ? { ...LIBRARY, BN: RANKS, BK: DOWN_LANES * work.together, TN: RANKS }
    : { ...LIBRARY, BN: UP_LANES * work.together };
}
const RANKS = 4;
const DOWN_LANES = 128;
const UP_LANES = 64;

/** Why adapters of other ranks cannot be told by their ranks alone: each factor spans an axis of the layer and the rank, or the rank twice. */
function whyNotByRow(
  { layers, in: inn, rank }: LayerRegion,
  { form, factors, out, method }: Group,
): string | null {
  if (form.down.bare === null) return `${method} computes what x is multiplied by of several factors`;
  if (form.up.bare === null && form.core === null)
    return `${method} computes what P = x ${factors[form.down.bare]!.name} is multiplied by of other factors than a core and a last one`;
  const shapes: readonly (readonly [k: number, shape: readonly number[]])[] = [
    [form.down.bare, [inn, rank]],
    ...(form.up.bare !== null
      ? [[form.up.bare, [rank, out]] as const]
      : [[form.core![0], [rank, rank]] as const, [form.core![1], [rank, out]] as const]),
  ];
  const odd = shapes.find(([k, shape]) => factors[k]!.shape.join() !== shape.join());
  if (odd)
    return `${factors[odd[0]]!.name} is ${factors[odd[0]]!.shape.join(' x ')}, not ${odd[1].join(' x ')}`;
  return layers.some((layer) => layer.out !== out) ? 'its layers have other widths' : null;
}
