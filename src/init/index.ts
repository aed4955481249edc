import { effectiveScale, factorShape, type Init } from '../adapter/description.js';
import type { PlanRow, SiteRow } from '../adapter/saved-plan.js';
import { startDiffers, svdRank, svdWeight } from '../ir/codes/init.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import { elementCount, sameShape } from '../ir/shape.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF64 } from '../ir/values.js';
import { product, productTransposed, transpose } from './dense.js';
import { NormalTensor } from './normal.js';
import { formText, needsResidual, printInit } from './spec.js';
import { type Tucker, tucker2 } from './tucker.js';
import type { WeightAccess } from './weights.js';

export { residualWeight } from './residual.js';
export { checkInit, formText, needsResidual, parseInit, printInit } from './spec.js';
export { type Tucker, type TuckerOptions, tucker2, type WeightStack } from './tucker.js';
export type { StoredMatrix, WeightAccess } from './weights.js';

export interface InitOptions {
  /** values of factors by tensor name that are taken as they are, e.g. from an adapter file */
  readonly given?: ReadonlyMap<string, TensorData>;
  /** HOOI sweeps of the decomposition */
  readonly sweeps?: number;
}

/**
 * Initial float32 data of every factor of a plan, by tensor name: group factors first, then those of the sites, each in
 * the order of the plan. Random factors are computed when they are read and depend on (seed, tensor name) alone.
 * Factors from decompositions are computed here: weights are read one at a time, a few times each.
 *
 * When `needsResidual(plan.spec)`, the adapted model equals the base only after every weight of every site was replaced
 * by `residualWeight`. Throws LOTR3402 when the start would differ from the base otherwise, LOTR3403 and LOTR3404 when
 * weights cannot be decomposed.
 */
export function initFactors(
  plan: PlanRow,
  weights: WeightAccess,
  options: InitOptions = {},
): Map<string, TensorData> {
  const { spec } = plan;
  const given = options.given ?? new Map<string, TensorData>();
  const zero = spec.factors.some(({ init }) => init === 'zeros');
  if (!zero && !needsResidual(spec) && given.size === 0) {
    fail(startDiffers({ method: spec.method, init: printInit(spec) }));
  }
  const parts = new Decompositions(plan, weights, options.sweeps ?? 0);
  const found = new Map<string, TensorData>();
  const add = (tensor: string, factor: number, site: SiteRow) => {
    if (found.has(tensor)) return;
    const group = parts.group(site);
    const shape = factorShape(spec, factor, group.in, group.out, group.rank);
    const present = given.get(tensor);
    if (present && (present.dtype !== 'f32' || !sameShape(present.shape, shape))) {
      throw new Error(
        `"${tensor}" is ${present.dtype}[${present.shape.join(',')}], not f32[${shape.join(',')}]`,
      );
    }
    found.set(
      tensor,
      present ?? make(tensor, shape, spec.factors[factor]!.init, plan.seed, factor, site, parts),
    );
  };
  for (const share of ['group', 'site'] as const) {
    for (const site of plan.sites) {
      for (const [index, factor] of spec.factors.entries()) {
        if (factor.share !== share) continue;
        const tensor = (share === 'group' ? parts.group(site) : site).factors[factor.name];
        if (tensor === undefined)
          throw new Error(`the plan names no tensor for ${factor.name} of "${site.id}"`);
        add(tensor, index, site);
      }
    }
  }
  return found;
}

function make(
  tensor: string,
  shape: readonly number[],
  init: Init,
  seed: number,
  factor: number,
  site: SiteRow,
  parts: Decompositions,
): TensorData {
  const by = `init:${formText(init)}`;
  if (init === 'zeros')
    return new ComputedTensor('f32', shape, by, () => new Uint8Array(4 * elementCount(shape)));
  if (init === 'eye') return new ComputedTensor('f32', shape, by, () => identity(shape).bytes());
  if ('svd' in init) return f32Tensor(shape, parts.part(init.svd, factor, site));
  const seeded = `${by.slice(0, -1)},seed=${seed})`;
  const sd = 'normal' in init ? init.normal : Math.sqrt(init.fanIn / shape[0]!);
  return new NormalTensor('f32', shape, sd, seed, tensor, seeded);
}

function identity(shape: readonly number[]): TensorData {
  const [rows, columns] = [shape[0]!, shape[1]!];
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return f32Tensor(shape, values);
}

/** The Tucker decompositions of a plan: one per group for shared singular vectors, one per site for own ones. */
class Decompositions {
  readonly #tuckers = new Map<string, Tucker>();

  constructor(
    readonly plan: PlanRow,
    readonly weights: WeightAccess,
    readonly sweeps: number,
  ) {}

  group(site: SiteRow): PlanRow['groups'][number] {
    const found = this.plan.groups.find(({ id }) => id === site.group);
    if (!found) throw new Error(`the plan has no group "${site.group}"`);
    return found;
  }

  /** A factor's values, row-major: left or right singular vectors, or what lies between them divided by the scale. */
  part(which: 'in' | 'out' | 'core', factor: number, site: SiteRow): Float64Array {
    if (which !== 'core') {
      const tucker = this.#tucker(site, this.plan.spec.factors[factor]!.share);
      return which === 'in' ? tucker.u : tucker.v;
    }
    const { factors } = this.plan.spec;
    const { in: m, out: n, rank } = this.group(site);
    // W times the vectors of whichever factors are next to this one; a chain has at most one on each side
    let core = this.#matrix(site);
    let rows = m;
    if (factor > 0) {
      const { u } = this.#tucker(site, factors[factor - 1]!.share);
      core = product(transpose(u, m, rank), core, rank, m, n);
      rows = rank;
    }
    if (factor + 1 < factors.length) {
      const { v } = this.#tucker(site, factors[factor + 1]!.share);
      core = productTransposed(core, v, rows, rank, n);
    }
    const scale = effectiveScale(this.plan.spec, rank);
    if (scale === 0) fail(svdWeight({ site: site.id, why: 'the scale of the adapter is zero' }));
    return core.map((x) => x / scale);
  }

  #tucker(site: SiteRow, share: 'site' | 'group'): Tucker {
    const key = `${share}:${share === 'group' ? site.group : site.id}`;
    let found = this.#tuckers.get(key);
    if (!found) {
      const group = this.group(site);
      const limit = Math.min(group.in, group.out);
      if (group.rank > limit) fail(svdRank({ group: group.id, rank: group.rank, limit }));
      const sites = share === 'site' ? [site] : this.plan.sites.filter((other) => other.group === site.group);
      found = tucker2(
        {
          count: sites.length,
          in: group.in,
          out: group.out,
          weight: (index) => this.#matrix(sites[index]!),
        },
        { rank: group.rank, seed: this.plan.seed, sweeps: this.sweeps },
      );
      this.#tuckers.set(key, found);
    }
    return found;
  }

  /** alpha W as (in, out) in float64. */
  #matrix(site: SiteRow): Float64Array {
    const refuse = (why: string): never => fail(svdWeight({ site: site.id, why }));
    const group = this.group(site);
    const stored = this.weights.weight(site) ?? refuse('it is not stored as a matrix in the model');
    const { data, layout, alpha } = stored;
    const shape = layout === 'io' ? [group.in, group.out] : [group.out, group.in];
    if (!isFloat(data.dtype)) refuse(`its elements are ${data.dtype}`);
    if (!sameShape(data.shape, shape))
      refuse(`its shape is [${data.shape.join(',')}], not [${shape.join(',')}]`);
    if (alpha === 0) refuse('the layer multiplies it by zero');
    let values = toF64(data);
    if (!values.every(Number.isFinite)) refuse('it holds values that are not finite');
    if (layout === 'oi') values = transpose(values, group.out, group.in);
    return alpha === 1 ? values : values.map((x) => alpha * x);
  }
}
