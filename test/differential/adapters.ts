import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import type { Nd } from './graph.js';
import type { Adapters } from './interpret.js';
import type { LayerAdapter } from './layers.js';

/**
 * The adapters of a plan next to the nodes that it names, from the plan's text and the tensors alone. `exact`: numbers of
 * tensors that float32 does not hold.
 */
export function adaptersOf(
  plan: SavedPlan,
  tensors: ReadonlyMap<string, TensorData>,
  scale: number,
  names: readonly string[],
  exact: ReadonlyMap<string, Float64Array> = new Map(),
): Adapters {
  const found = new Map<string, readonly LayerAdapter[]>();
  for (const row of plan.plans) {
    for (const site of row.sites) {
      const group = row.groups.find(({ id }) => id === site.group)!;
      const factors = names.map((name): Nd => {
        const tensor = site.factors[name] ?? group.factors[name]!;
        const data = tensors.get(tensor)!;
        return { dtype: 'f64', shape: data.shape, data: exact.get(tensor) ?? Float64Array.from(toF64(data)) };
      });
      // a node that was written in another form is numbered
      for (const { node } of site.uses) found.set(node.replace(/_\d+$/, ''), [{ factors, scale }]);
    }
  }
  return found;
}
