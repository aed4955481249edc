import type { AdapterSpec, FactorSpec } from '../../src/adapter/description.js';
import { kernelForm } from '../../src/adapter/kernel-form.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { operandsOf } from '../../src/adapter/terms.js';
import { ownDown, regionsOf } from '../../src/backends/kernel/model/contract.js';
import type { AdaptedLayer, AdaptedLayers, Group } from '../../src/backends/kernel/model/layers.js';

/** A contraction without a model: layers by input, all in one group. */
export interface Sketch {
  /** LoRA's or LoTR's, or any */
  readonly factors: 2 | 3 | Pick<AdapterSpec, 'method' | 'delta' | 'factors' | 'extents'>;
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

/** The description of a sketch. */
function specOf({ factors, ownA }: Sketch): Exclude<Sketch['factors'], number> {
  if (typeof factors !== 'number') return factors;
  if (factors === 3) return LOTR;
  const share = (one: FactorSpec) => (one.name === 'A' && !ownA ? 'group' : one.share);
  return { ...LORA, factors: LORA.factors.map((one) => ({ ...one, share: share(one) })) };
}

export function contractionOf(sketch: Sketch): AdaptedLayers {
  const { in: inn, out, rank, scale = 0.37, stored = 'io', activation = null } = sketch;
  const ids = sketch.inputs.flat();
  const sites = [...new Set(ids.map((id) => id.split('#')[0]!))];
  const spec = specOf(sketch);
  const form = kernelForm(spec);
  if (typeof form === 'string') throw new Error(form);
  const extents: Readonly<Record<string, number>> = Object.fromEntries(
    operandsOf(spec)
      .flat()
      .map((letter) => [
        letter,
        letter === 'i'
          ? inn
          : letter === 'o'
            ? out
            : ((spec.extents?.[letter] as number | undefined) ?? rank),
      ]),
  );
  const tensorOf = ({ name, share }: FactorSpec, site: string) =>
    share === 'group' || share === 'model'
      ? name
      : `${name}.${share === 'site' ? site : `${share}${sites.indexOf(site) % 2}`}`;
  const group: Group = {
    id: 'g',
    method: spec.method,
    delta: spec.delta,
    form,
    extents,
    in: inn,
    out,
    rank,
    scale,
    factors: spec.factors.map((factor, k) => ({
      name: factor.name,
      share: factor.share,
      // a layer reads the leading part
      shape: operandsOf(spec)[k]!.map((letter) => extents[letter]! + (factor.slice ? 2 : 0)),
      tensors: [...new Set(sites.map((site) => tensorOf(factor, site)))],
      trainable: factor.mode === 'trainable' && !sketch.frozen?.includes(factor.name),
      lrMultiplier: sketch.lrMultipliers?.[factor.name] ?? factor.lrMultiplier,
    })),
    sites,
  };
  const layer = (id: string, x: string): AdaptedLayer => {
    const site = id.split('#')[0]!;
    const factors = spec.factors.map((factor) => tensorOf(factor, site));
    return {
      id,
      site,
      group: 'g',
      in: inn,
      out,
      rank: form.inner.reduce((all, letter) => all * extents[letter]!, 1),
      factors,
      ...ownDown(spec, form, 'g', site, factors),
      weight: `W.${site}`,
      weightStored: stored,
      packed: null,
      x,
      y: `y.${id}`,
      bias: site === 'k' ? null : `bias.${site}`,
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
    description: [],
    skipped: [],
  };
}
