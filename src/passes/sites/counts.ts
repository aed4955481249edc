import { type AdapterSpec, isTrained, shapeOfFactor } from '../../adapter/description.js';
import { planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow } from '../../adapter/saved-plan.js';
import { elementCount } from '../../ir/shape.js';

/** The extents by which adapters are counted: one row per group. */
export interface GroupExtents {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly sites: number;
}

/** Trainable parameters of a method whose factors belong to groups or sites: the former once per group, the others once per site. */
export function countFactors(spec: AdapterSpec, groups: readonly GroupExtents[]): number {
  let total = 0;
  for (const group of groups) {
    for (const [index, factor] of spec.factors.entries()) {
      if (!isTrained(factor)) continue;
      const size = elementCount(shapeOfFactor(spec, index, group));
      total += factor.share === 'group' ? size : size * group.sites;
    }
  }
  return total;
}

/**
 * Trainable parameters of a plan row, or of several, whose common factors count once. For LoTR: (in + out) r per group and
 * r^2 per site.
 */
export function countTrainable(rows: PlanRow | readonly PlanRow[]): number {
  return planFactors([rows].flat() as readonly PlanRow[]).reduce(
    (sum, { spec, shape }) => sum + (isTrained(spec) ? elementCount(shape) : 0),
    0,
  );
}

/** What LoRA would train on the same sites at the same ranks: (in + out) r per site. */
export function countLora(plan: PlanRow): number {
  return groupExtents(plan).reduce(
    (sum, group) => sum + (group.in + group.out) * group.rank * group.sites,
    0,
  );
}

export function groupExtents({ groups, sites }: PlanRow): readonly GroupExtents[] {
  return groups.map(({ id, in: inn, out, rank }) => ({
    in: inn,
    out,
    rank,
    sites: sites.filter(({ group }) => group === id).length,
  }));
}
