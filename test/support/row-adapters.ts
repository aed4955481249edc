import type { AdaptedLayers } from '../../src/backends/kernel/model/layers.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { reference } from './host-layers.js';
import { values } from './kernel-cases.js';

/** Adapters of rows: their ranks and scales, and what rows of a batch get of them. */
export interface RowAdapter {
  readonly rank: number;
  readonly scale: number;
}

/** The layers with an adapter of another rank and scale. */
function withAdapter(found: AdaptedLayers, { rank, scale }: RowAdapter): AdaptedLayers {
  const groups = found.groups.map((group) => {
    const own = (extent: number) => (extent === group.rank ? rank : extent);
    const extents = Object.fromEntries(
      Object.entries(group.extents).map(([letter, extent]) => [letter, own(extent)]),
    );
    const factors = group.factors.map((factor) => ({ ...factor, shape: factor.shape.map(own) }));
    return { ...group, rank, scale, extents, factors };
  });
  return { ...found, groups };
}

/** Numbers for every factor of an adapter, by tensor, as models store them. */
export function rowFactors(plan: KernelPlan, rank: number, seed: number): Record<string, Float32Array> {
  const all = plan.buffers.flatMap(({ ofRows }) =>
    ofRows ? ofRows.tensors.map((tensor) => [tensor, ofRows.length ?? rank] as const) : [],
  );
  return Object.fromEntries(all.map(([tensor, length], k) => [tensor, values(rank * length, seed + k)]));
}

type Tensors = Readonly<Record<string, ArrayLike<number>>>;

/** What layers give in float64 for rows of which each has one of the adapters, or none (no number of one), by buffer. */
export function rowReference(
  found: AdaptedLayers,
  adapters: readonly (RowAdapter & { readonly factors: Tensors })[],
  weights: Tensors,
  inputs: Tensors,
  rows: readonly (number | null)[],
): (name: string) => readonly number[] {
  const all = new Map(
    rows.map((adapter) => {
      const one = adapters[adapter ?? -1];
      const layers = withAdapter(found, one ?? { rank: adapters[0]!.rank, scale: 0 });
      return [adapter, reference(layers, { ...weights, ...(one ?? adapters[0]!).factors }, inputs)];
    }),
  );
  return (name) => rows.flatMap((adapter, row) => [...all.get(adapter)![name]![row]!]);
}
