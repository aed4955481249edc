import {
  type AdapterSpec,
  effectiveScale,
  fanOf,
  type Init,
  lettersOfFactor,
  type Share,
} from '../adapter/description.js';
import { type FactorTensor, factorNames, groupOf, planFactors } from '../adapter/plan-factors.js';
import type { PlanRow, SiteRow } from '../adapter/saved-plan.js';
import { startDiffers, svdRank, svdWeight } from '../ir/codes/init.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import { elementCount, sameShape } from '../ir/shape.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF64 } from '../ir/values.js';
import {
  joinedRows,
  matrixProduct,
  orthonormal,
  orthonormalBasis,
  productTransposed,
  transposeMatrix,
} from './dense.js';
import { DrawnTensor, normalQuantile } from './normal.js';
import { formText, isLeadingPart, printInit, startsAtBase } from './spec.js';
import { type Tucker, tucker2 } from './tucker.js';
import type { WeightAccess } from './weights.js';

export { residualWeight } from './residual.js';
export { checkInit, formText, needsResidual, parseInit, printInit } from './spec.js';

export type { StoredMatrix, WeightAccess } from './weights.js';

export interface InitOptions {
  /** values of factors by tensor name that are taken as they are, e.g. from an adapter file */
  readonly given?: ReadonlyMap<string, TensorData>;
  /** HOOI sweeps of the decomposition */
  readonly sweeps?: number;
  /** the tensors of the whole plan, where the row is one of several that share some */
  readonly tensors?: readonly FactorTensor[];
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
  if (!startsAtBase(spec) && given.size === 0)
    fail(startDiffers({ method: spec.method, init: printInit(spec) }));
  const parts = new Decompositions(plan, weights, options.sweeps ?? 0);
  const tensors = new Map((options.tensors ?? planFactors([plan])).map((tensor) => [tensor.name, tensor]));
  const found = new Map<string, TensorData>();
  const add = (site: SiteRow, factor: number, name: string): void => {
    const { shape, spec: of } = tensors.get(name)!;
    const present = given.get(name);
    if (present && (present.dtype !== 'f32' || !sameShape(present.shape, shape)))
      throw new Error(
        `"${name}" is ${present.dtype}[${present.shape.join(',')}], not f32[${shape.join(',')}]`,
      );
    found.set(
      name,
      present ??
        ofWeight(of.init, shape, site, parts) ??
        decomposed(of.init, shape, factor, site, parts) ??
        initialValues(spec, factor, shape, plan.seed, name),
    );
  };
  for (const shared of [true, false]) {
    for (const site of plan.sites) {
      for (const [factor, name] of factorNames(plan, site).entries()) {
        const ofGroup = spec.factors[factor]!.share === 'group';
        if (ofGroup === shared && !found.has(name)) add(site, factor, name);
      }
    }
  }
  return found;
}

/** Norms of the columns of the layer's weight. */
function ofWeight(
  init: Init,
  shape: readonly number[],
  site: SiteRow,
  parts: Decompositions,
): TensorData | null {
  return init === 'weightNorm' ? f32Tensor(shape, parts.columnNorms(site)) : null;
}

function decomposed(
  init: Init,
  shape: readonly number[],
  factor: number,
  site: SiteRow,
  parts: Decompositions,
): TensorData | null {
  if (typeof init === 'string') return null;
  if ('qr' in init) return f32Tensor(shape, parts.qr(init.qr, site));
  if (!('svd' in init)) return null;
  return f32Tensor(shape, parts.part(init.svd, init.power ?? 0, factor, site));
}

/**
 * The values of a factor that starts from numbers alone, made when they are read. Random ones depend on the seed and the name;
 * those of a `seeded` factor also on their place, not on the extents, so that a leading part is the same in a larger factor.
 */
export function initialValues(
  spec: AdapterSpec,
  factor: number,
  shape: readonly number[],
  seed: number,
  name: string,
): TensorData {
  const { init, mode } = spec.factors[factor]!;
  const by = `init:${formText(init)}`;
  if (init === 'zeros')
    return new ComputedTensor('f32', shape, by, () => new Uint8Array(4 * elementCount(shape)));
  if (init === 'eye') return new ComputedTensor('f32', shape, by, () => identity(shape).bytes());
  const filled = filling(spec, factor, shape);
  if (filled !== null) return new ComputedTensor('f32', shape, by, () => constants(shape, filled).bytes());
  if (init === 'orthogonal') {
    const from = { seed, name, by: `init:orthogonal(seed=${seed})`, byPlace: mode === 'seeded' };
    return new ComputedTensor('f32', shape, from.by, () => {
      const draws = toF64(new DrawnTensor('f64', shape, normalQuantile, from)).slice();
      return f32Tensor(shape, orthonormal(draws, shape[0]!, shape[1]!)).bytes();
    });
  }
  if (typeof init === 'string') throw new Error(`no values for ${init}`);
  const draw = drawOf(init, () => fanOf(spec, factor, shape));
  const text = by.endsWith(')') ? `${by.slice(0, -1)},seed=${seed})` : by;
  return new DrawnTensor('f32', shape, draw, { seed, name, by: text, byPlace: mode === 'seeded' });
}

/** A number of the distribution from one that is uniform in (0, 1). */
function drawOf(init: Exclude<Init, string>, fan: () => number): (uniform: number) => number {
  const normal = (sd: number) => (u: number) => sd * normalQuantile(u);
  const within = (bound: number) => (u: number) => bound * (2 * u - 1);
  if ('normal' in init) return normal(init.normal);
  if ('fanIn' in init) return normal(Math.sqrt(init.fanIn / fan()));
  if ('uniform' in init) return within(init.uniform);
  if ('kaimingUniform' in init) return within(Math.sqrt(6 / ((1 + init.kaimingUniform ** 2) * fan())));
  throw new Error(`${formText(init)} is not a distribution`);
}

/** The number that a factor is filled with; null where it is not one number. */
function filling(spec: AdapterSpec, factor: number, shape: readonly number[]): number | null {
  const { init } = spec.factors[factor]!;
  if (init === 'ones') return 1;
  if (typeof init === 'string' || !('constant' in init)) return null;
  return init.over === undefined
    ? init.constant
    : init.constant / shape[lettersOfFactor(spec, factor).indexOf(init.over)]!;
}

const constants = (shape: readonly number[], value: number): TensorData =>
  f32Tensor(shape, new Float64Array(elementCount(shape)).fill(value));

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
    return groupOf(this.plan, site);
  }

  /**
   * A factor's values, row-major: left or right singular vectors, times their singular values to a power, or what lies
   * between them divided by the scale.
   */
  part(which: 'in' | 'out' | 'core', power: number, factor: number, site: SiteRow): Float64Array {
    if (which !== 'core') {
      const { share } = this.plan.spec.factors[factor]!;
      const tucker = this.#tucker(site, share);
      if (isLeadingPart(this.plan.spec)) return this.#leading(which, tucker.u, power, site);
      return this.#powered(which, which === 'in' ? tucker.u : tucker.v, power, site, share);
    }
    const { factors } = this.plan.spec;
    const { in: m, out: n, rank } = this.group(site);
    // W times the vectors of whichever factors are next to this one; a chain has at most one on each side
    let core = this.#matrix(site);
    let rows = m;
    if (factor > 0) {
      const { u } = this.#tucker(site, factors[factor - 1]!.share);
      core = matrixProduct(transposeMatrix(u, m, rank), core, rank, m, n);
      rows = rank;
    }
    const next = factors[factor + 1];
    if (next) {
      const { v } = this.#tucker(site, next.share);
      core = productTransposed(core, v, rows, rank, n);
    }
    const scale = effectiveScale(this.plan.spec, rank);
    if (scale === 0) fail(svdWeight({ site: site.id, why: 'the scale of the adapter is zero' }));
    return core.map((x) => x / scale);
  }

  /**
   * One side of the leading part of a weight over the scale: the singular vectors of the in side, or what they make of the
   * weight over its length, times (S / s) to a power.
   */
  #leading(which: 'in' | 'out', u: Float64Array, power: number, site: SiteRow): Float64Array {
    const { in: m, out: n, rank } = this.group(site);
    const scale = effectiveScale(this.plan.spec, rank);
    const along = matrixProduct(transposeMatrix(u, m, rank), this.#matrix(site), rank, m, n);
    const values = Float64Array.from({ length: rank }, (_, k) =>
      Math.sqrt(along.subarray(k * n, (k + 1) * n).reduce((sum, x) => sum + x * x, 0)),
    );
    const factor = (k: number) => (values[k]! / Math.abs(scale)) ** power;
    if (which === 'in') return u.map((x, k) => x * factor(k % rank));
    const sign = Math.sign(scale);
    return along.map((x, k) => {
      const row = Math.floor(k / n);
      return values[row] === 0 ? 0 : ((sign * x) / values[row]!) * factor(row);
    });
  }

  /**
   * The orthonormal side (rank x out) of the QR decomposition of W^T, with a positive diagonal of R, or the other one (in x
   * rank), cut to the rank; not divided by the scale.
   */
  qr(which: 'in' | 'out', site: SiteRow): Float64Array {
    const { in: m, out: n, rank } = this.#withRank(site);
    const w = this.#matrix(site);
    const basis = orthonormalBasis(w, rank, n);
    if (which === 'out') return joinedRows(basis, n);
    const along = productTransposed(joinedRows(basis, n), w, rank, m, n);
    // the rows that the basis was made of have nothing along later vectors
    for (let k = 0; k < rank; k++) along.fill(0, k * m, k * m + k);
    return transposeMatrix(along, rank, m);
  }

  /** The group of a site. Throws LOTR3404 for a rank that no decomposition has. */
  #withRank(site: SiteRow): PlanRow['groups'][number] {
    const group = this.group(site);
    const limit = Math.min(group.in, group.out);
    if (group.rank > limit) fail(svdRank({ group: group.id, rank: group.rank, limit }));
    return group;
  }

  /** Throws LOTR3403 for a column of zeros, which has no direction. */
  columnNorms(site: SiteRow): Float64Array {
    const { out } = this.group(site);
    const squares = new Float64Array(out);
    for (const [k, w] of this.#matrix(site).entries()) squares[k % out]! += w * w;
    const zero = squares.indexOf(0);
    if (zero >= 0)
      fail(svdWeight({ site: site.id, why: `its column ${zero} is zero, and has no direction` }));
    return squares.map(Math.sqrt);
  }

  /** Vectors times the singular values that belong to them: the norms of the weights' products with each vector. */
  #powered(
    which: 'in' | 'out',
    vectors: Float64Array,
    power: number,
    site: SiteRow,
    share: Share,
  ): Float64Array {
    if (power === 0) return vectors;
    const { in: m, out: n, rank } = this.group(site);
    const squares = new Float64Array(rank);
    for (const other of this.#sites(site, share)) {
      const w = this.#matrix(other);
      const along =
        which === 'in'
          ? matrixProduct(transposeMatrix(vectors, m, rank), w, rank, m, n)
          : productTransposed(vectors, w, rank, m, n);
      const width = along.length / rank;
      for (let k = 0; k < along.length; k++) squares[Math.floor(k / width)]! += along[k]! ** 2;
    }
    return vectors.map((x, k) => {
      const vector = which === 'in' ? k % rank : Math.floor(k / n);
      return x * Math.sqrt(squares[vector]!) ** power;
    });
  }

  #sites(site: SiteRow, share: Share): readonly SiteRow[] {
    return share === 'site' ? [site] : this.plan.sites.filter((other) => other.group === site.group);
  }

  #tucker(site: SiteRow, share: Share): Tucker {
    const key = `${share}:${share === 'group' ? site.group : site.id}`;
    let found = this.#tuckers.get(key);
    if (!found) {
      const group = this.#withRank(site);
      const sites = this.#sites(site, share);
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
    if (layout === 'oi') values = transposeMatrix(values, group.out, group.in);
    return alpha === 1 ? values : values.map((x) => alpha * x);
  }
}
