import { regionsOf } from '../../src/backends/kernel/model/contract.js';
import type { AdaptedLayer, AdaptedLayers, Group } from '../../src/backends/kernel/model/layers.js';

/** A contraction without a model: layers by input, all in one group. */
export interface Sketch {
  readonly factors: 2 | 3;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly scale?: number;
  /** LoRA as it is: A belongs to the site (default: A is shared, to test two factors with a shared one) */
  readonly ownA?: true;
  /** layers by input: [['q', 'k', 'v'], ['o']]; `q#2` uses the weight of `q` again */
  readonly inputs: readonly (readonly string[])[];
  readonly stored?: 'io' | 'oi';
  readonly activation?: AdaptedLayer['activation'];
  /** names of factors that are not trained */
  readonly frozen?: readonly string[];
  readonly lrMultipliers?: Readonly<Record<string, number>>;
}

export function contractionOf(sketch: Sketch): AdaptedLayers {
  const { in: inn, out, rank, factors, scale = 0.37, stored = 'io', activation = null } = sketch;
  const ids = sketch.inputs.flat();
  const sites = [...new Set(ids.map((id) => id.split('#')[0]!))];
  const names = factors === 3 ? ['R', 'M', 'L'] : ['A', 'B'];
  const shared = (name: string) => name === 'R' || name === 'L' || (name === 'A' && !sketch.ownA);
  const group: Group = {
    id: 'g',
    method: factors === 3 ? 'lotr' : 'lora',
    in: inn,
    out,
    rank,
    scale,
    factors: names.map((name) => ({
      name,
      shared: shared(name),
      tensors: shared(name) ? [name] : sites.map((site) => `${name}.${site}`),
      trainable: !sketch.frozen?.includes(name),
      lrMultiplier: sketch.lrMultipliers?.[name] ?? 1,
    })),
    sites,
  };
  const layer = (id: string, x: string): AdaptedLayer => {
    const site = id.split('#')[0]!;
    return {
      id,
      site,
      group: 'g',
      in: inn,
      out,
      rank,
      factors: names.map((name) => (shared(name) ? name : `${name}.${site}`)),
      weight: `W.${site}`,
      weightStored: stored,
      x,
      y: `y.${id}`,
      bias: site === 'k' ? null : `b.${site}`,
      activation,
      biasedOutput: `y.${id}`,
      fusedOutput: activation ? `${activation}.${id}` : `y.${id}`,
    };
  };
  return {
    dtype: 'f32',
    groups: [group],
    regions: regionsOf(
      sketch.inputs.flatMap((members, input) =>
        members.map((id) => ({ layer: layer(id, `x${input}`), input })),
      ),
    ),
    skipped: [],
  };
}
