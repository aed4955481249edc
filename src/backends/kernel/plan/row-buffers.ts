import type { LayerRegion } from '../model/layers.js';
import type { MatrixRef, OfRows, Placed, RowAdapters } from '../model/types.js';
import { bufferName } from './buffer-names.js';
import { type Buffers, ROW_TABLE } from './buffers.js';
import { dense } from './launches.js';

/** The buffers of rows that have adapters of their own. */

/** Which adapter each row has, and of every adapter its rank and scale in the layers of a group. */
export function rowAdapters(buffers: Buffers, group: string, most: number): RowAdapters {
  const index = buffers.groupNumber(group);
  const [ranks, scales] = [`ranks_${index}`, `scales_${index}`];
  buffers.add({ name: ROW_TABLE, dtype: 'u32', shape: ['M'], life: 'tokens' });
  buffers.add({ name: ranks, dtype: 'u32', shape: [buffers.adapters], life: 'step' });
  buffers.add({ name: scales, dtype: 'f32', shape: [buffers.adapters], life: 'step' });
  return {
    rows: { buffer: ROW_TABLE, offset: 0 },
    ranks: { buffer: ranks, offset: 0 },
    scales: { buffer: scales, dtype: 'f32', offset: 0 },
    count: buffers.adapters,
    most,
  };
}

/**
 * Factor `k` of the layers of a region, of every adapter, with the axis of the rank first: `count` is 1 where they have it in common,
 * except for a core, of which each layer has one. `length`: the other axis, null where it is of the rank too; `turned`: the model has
 * that first.
 */
export function factorOfRows(
  buffers: Buffers,
  region: LayerRegion,
  k: number,
  most: number,
  { length, turned }: Pick<OfRows, 'length' | 'turned'>,
): { readonly at: Placed; readonly count: number } {
  const group = buffers.groupOf(region.group);
  const number = buffers.groupNumber(region.group);
  const all = region.layers.map(({ factors }) => factors[k]!);
  const tensors = length !== null && new Set(all).size === 1 ? [all[0]!] : all;
  // one tensor is a buffer for all regions that read it; several lie together for one region
  const nth = group.factors[k]!.tensors.indexOf(tensors[0]!);
  const own = bufferName(group, k);
  const name =
    tensors.length === 1 ? `${own}_rows_${number}_${nth}` : `${own}s_rows_${buffers.number(region)}`;
  const { dtype } = buffers.target;
  const shape = [buffers.adapters * tensors.length * most, length ?? most];
  buffers.add({ name, dtype, shape, life: 'step', ofRows: { group: number, tensors, length, turned } });
  return { at: { buffer: name, dtype, offset: 0 }, count: tensors.length };
}

/** P of rows with adapters of their own, or what these add to all layers of the region: sums, in f32. */
export function rowSums(buffers: Buffers, kind: 'P' | 'D', region: LayerRegion, cols: number): MatrixRef {
  const name = `${kind}_${buffers.number(region)}`;
  buffers.add({ name, dtype: 'f32', shape: ['M', cols], life: 'scratch' });
  return dense(name, 'f32', 'M', cols);
}
