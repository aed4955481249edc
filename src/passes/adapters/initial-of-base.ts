import { factorNames, planFactors } from '../../adapter/plan-factors.js';
import type { SavedPlan, SiteRow } from '../../adapter/saved-plan.js';
import { initFactors, residualWeight } from '../../init/index.js';
import { otherStart } from '../../ir/codes/files.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { findLinears } from '../sites/find.js';
import { pathsSeen } from '../sites/patterns.js';
import type { Site } from '../sites/site.js';
import { weightDigest } from '../sites/weight-digest.js';
import { stacksOf } from '../unpack/stacks.js';
import { unpackLayers } from '../unpack/unpack.js';
import { asRead, matrixOf } from './initial-factors.js';

/**
 * The factors that the layers of a plan started from where their base weights were replaced by what those left (init `svd`, `pissa`,
 * `olora`), by tensor name: computed again from the model that was rewritten, whose fused layers are taken out in place. What they
 * leave of its weights must be, bit for bit, the weights that the plan names. Throws LOTR7206 when it is not, or a layer is missing.
 */
export function initialFactorsOfBase(
  base: Model,
  plan: SavedPlan,
  file: string,
): ReadonlyMap<string, TensorData> {
  const rows = plan.plans.filter(({ residual }) => residual);
  unpackLayers(base, stacksOf(plan));
  const { sites, wrapper } = findLinears(base);
  const byName = new Map<string, Site>();
  for (const site of sites) for (const name of [...pathsSeen(site, wrapper), site.id]) byName.set(name, site);
  const inBase = (site: SiteRow): Site =>
    byName.get(site.modulePath ?? site.id) ??
    fail(otherStart({ site: site.id, file, why: 'it has no such layer' }));
  const tensors = planFactors(plan.plans);
  const all = new Map<string, TensorData>();
  for (const row of rows) {
    const weights = { weight: (site: SiteRow) => matrixOf(inBase(site).uses[0]!.node) };
    const factors = initFactors(row, weights, { tensors });
    for (const site of row.sites) {
      const left = new Set(
        inBase(site).uses.map(({ node }) => weightDigest(residualWeight(row, site, asRead(node), factors))),
      );
      if (!site.uses.every(({ digest }) => left.has(digest)))
        fail(otherStart({ site: site.id, file, why: 'it has other weights there' }));
      for (const name of factorNames(row, site)) all.set(name, factors.get(name)!);
    }
  }
  return all;
}
