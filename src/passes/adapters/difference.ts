import { effectiveScale, isTrained } from '../../adapter/description.js';
import { LORA } from '../../adapter/methods/lora.js';
import { LOTR } from '../../adapter/methods/lotr.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import { hasFormOf } from '../../adapter/same-form.js';
import type { PlanRow, SiteRow } from '../../adapter/saved-plan.js';
import { transposeMatrix } from '../../init/dense.js';
import { needsResidual } from '../../init/index.js';
import { leadingOfRank } from '../../init/leading-product.js';
import { tucker2 } from '../../init/tucker.js';
import { differenceLayer } from '../../ir/codes/calibration.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import { f32Tensor, type TensorData } from '../../ir/tensor.js';
import type { BoundPass } from '../pass.js';
import { outputsByName, requirePlan } from '../plan/plan.js';
import { findLinears } from '../sites/find.js';
import { groupBy } from '../sites/group-by.js';
import { stacksOf } from '../unpack/stacks.js';
import { unpackLayers } from '../unpack/unpack.js';
import { matrixOf } from './initial-factors.js';
import { baseNode } from './insert.js';
import { floatsOf, originalOf } from './loftq.js';
import { sitesByName } from './match-path.js';
import { START_NOTE } from './start-factors.js';

/** A model whose weights were trained, of the same network. */
export interface DifferenceSource {
  readonly from: Model;
  readonly told?: ((rows: readonly DifferenceRow[]) => void) | undefined;
}

/** What the adapter of a layer leaves out of the difference of its weights, relative in norm. */
export interface DifferenceRow {
  readonly layer: string;
  readonly error: number;
}

const NAME = 'difference';
/** Turns in which both sides of a stack are improved. */
const SWEEPS = 2;

/** What is wrong with a method for this start, or null. */
export const differenceProblem = (spec: PlanRow['spec']): string | null =>
  [LORA, LOTR].some((method) => hasFormOf(spec, method)) &&
  spec.factors.every(isTrained) &&
  !needsResidual(spec)
    ? null
    : `${spec.method} is neither LoRA nor LoTR with all factors trained`;

/**
 * Starts factors as the difference of two models, W' - W: each matrix by its leading singular vectors (LoRA), or all matrices of a group
 * together, as R M L (LoTR; Tucker-2 of their stack, improved in turn). Weights are read one at a time. Throws LOTR3033 naming a layer
 * that the other model lacks.
 */
export function differencePass(source: DifferenceSource): BoundPass {
  return {
    name: NAME,
    text: NAME,
    requires: ['planned'],
    run(model, ctx) {
      const { factors, rows } = startByDifference(model, source.from);
      ctx.notes.set(START_NOTE, factors);
      ctx.stat('layers', rows.length);
      source.told?.(rows);
      return 'unchanged';
    },
  };
}

function startByDifference(model: Model, from: Model) {
  const plan = requirePlan(model, 'start factors as a difference');
  unpackLayers(from, stacksOf(plan));
  const others = sitesByName(findLinears(from));
  const outputs = outputsByName(model);
  const factors = new Map<string, TensorData>();
  const rows: DifferenceRow[] = [];
  const differenceOf = (site: SiteRow, extents: { readonly in: number; readonly out: number }) => {
    const refuse = (why: string): never => fail(differenceLayer({ site: site.id, why }));
    const own =
      matrixOf(baseNode(outputs, site, site.uses[0]!).identity) ??
      refuse('its weight is not stored as floats');
    const other = originalOf(site, extents, others, refuse, 'the other model');
    return (): Float64Array => {
      const before = floatsOf(own, extents);
      const change = other().map((value, k) => value - before[k]!);
      return transposeMatrix(change, extents.out, extents.in);
    };
  };
  for (const row of plan.plans) {
    const shared = hasFormOf(row.spec, LOTR);
    for (const sites of groupBy(row.sites, ({ group, id }) => (shared ? group : id)).values()) {
      const { in: inn, out, rank } = groupOf(row, sites[0]!);
      const stack = { sites, in: inn, out, rank, scale: effectiveScale(row.spec, rank) };
      const read = sites.map((site) => differenceOf(site, { in: inn, out }));
      const start = shared ? asLotr(row, stack, read) : asLora(row, stack, read[0]!);
      for (const [name, data] of start.factors) factors.set(name, data);
      rows.push(...start.rows);
    }
  }
  return { factors, rows };
}

/** Layers that share factors; one for LoRA. */
interface Stack {
  readonly sites: readonly SiteRow[];
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly scale: number;
}

interface Started {
  readonly factors: ReadonlyMap<string, TensorData>;
  readonly rows: readonly DifferenceRow[];
}

/** A and B of one layer by the leading singular vectors of its difference, half of each value on either side. */
function asLora(
  row: PlanRow,
  { sites, in: inn, out, rank, scale }: Stack,
  read: () => Float64Array,
): Started {
  const [site] = sites as readonly [SiteRow];
  const { left, right, error } = leadingOfRank(read(), inn, out, rank);
  const root = 1 / Math.sqrt(Math.abs(scale));
  const [a, b] = factorNames(row, site) as [string, string];
  const columns = transposeMatrix(left, rank, inn).map((x) => x * root);
  const lines = transposeMatrix(right, out, rank).map((x) => x * root * Math.sign(scale));
  return {
    factors: new Map([
      [a, f32Tensor([inn, rank], columns)],
      [b, f32Tensor([rank, out], lines)],
    ]),
    rows: [{ layer: site.id, error }],
  };
}

/** R and L of all layers of a stack, and M of each. */
function asLotr(
  row: PlanRow,
  { sites, in: inn, out, rank, scale }: Stack,
  read: readonly (() => Float64Array)[],
): Started {
  const weight = (index: number) => read[index]!();
  const { u, v, core } = tucker2(
    { count: sites.length, in: inn, out, weight },
    { rank, seed: row.seed, sweeps: SWEEPS },
  );
  const factors = new Map<string, TensorData>();
  const rows = sites.map((site, index): DifferenceRow => {
    const [r, m, l] = factorNames(row, site) as [string, string, string];
    const kept = core(index);
    const cores = kept.map((x) => x / scale);
    factors.set(r, f32Tensor([inn, rank], u));
    factors.set(m, f32Tensor([rank, rank], cores));
    factors.set(l, f32Tensor([rank, out], v));
    const whole = squares(weight(index));
    const lost = Math.max(0, whole - squares(kept));
    return { layer: site.id, error: whole === 0 ? 0 : Math.sqrt(lost / whole) };
  });
  return { factors, rows };
}

const squares = (values: Float64Array): number => values.reduce((sum, x) => sum + x * x, 0);
