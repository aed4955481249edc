import { groupOf } from '../../adapter/plan-factors.js';
import type { PlanRow, SavedPlan, SiteRow, WeightRow } from '../../adapter/saved-plan.js';
import { noSuchLayer } from '../../ir/codes/adapters.js';
import { constantData } from '../../ir/constants.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import { findLinears, type Linears } from '../sites/find.js';
import { nearestPaths, pathsSeen } from '../sites/patterns.js';
import { digester, useRows } from '../sites/plan.js';
import type { Site } from '../sites/site.js';
import { weightDigest } from '../sites/weight-digest.js';

/** A layer of an adapter's plan and the layer of another file that it is put on. */
export interface MatchedLayer {
  readonly path: string;
  readonly in: number;
  readonly out: number;
  /** operators and weights in the file that the adapter was made for, and in the other one */
  readonly from: readonly LayerPlace[];
  readonly to: readonly (LayerPlace & { readonly dtype: string })[];
}

interface LayerPlace {
  readonly op: string;
  readonly weight: string;
}

/**
 * The plan of an adapter for another file of the same network (half precision, quantised, exported again): each layer is
 * found by its module path, or one of its aliases, and must have the same extents; nodes, weights and digests become those of
 * the file. Weights themselves are not compared. Trained weights are found by the names of their tensors. Throws LOTR3305,
 * naming the layer, when one is not there, LOTR3311 as `placeWeights` does.
 */
export function matchByPath(
  model: Model,
  plan: SavedPlan,
): { readonly plan: SavedPlan; readonly matched: readonly MatchedLayer[] } {
  const linears = findLinears(model);
  const byName = sitesByName(linears);
  const digestOf = digester(false);
  const taken = new Map<Site, string>();
  const matched: MatchedLayer[] = [];
  const siteOf = (row: PlanRow, site: SiteRow): SiteRow => {
    const refuse = (why: string): never => fail(noSuchLayer({ site: site.id, why }));
    const names = [site.modulePath, ...site.aliases].filter((name) => name !== null);
    if (names.length === 0) refuse('its module path is not known, and layers are matched by it');
    const found = [...new Set(names.flatMap((name) => byName.get(name) ?? []))];
    if (found.length === 0) refuse(reasonWithout(names, linears));
    const group = groupOf(row, site);
    for (const other of found) {
      if (other.in !== group.in || other.out !== group.out)
        refuse(`it has ${group.in}x${group.out}, and in this model ${other.in}x${other.out}`);
      const owner = taken.get(other);
      if (owner !== undefined) refuse(`in this model it holds the same weight as "${owner}"`);
      taken.set(other, site.id);
    }
    const place = ({ op, weight }: LayerPlace): LayerPlace => ({ op, weight });
    matched.push({
      path: site.modulePath ?? site.id,
      in: group.in,
      out: group.out,
      from: site.uses.map(place),
      to: found.flatMap(({ uses, dtype }) =>
        uses.map(({ node, weight }) => ({ op: node.opKey, weight: weight.name, dtype })),
      ),
    });
    return { ...site, uses: found.flatMap((other) => useRows(other, digestOf)) };
  };
  const plans = plan.plans.map((row): PlanRow => {
    if (row.residual) {
      const why = 'its base weights were replaced by --init svd, so it fits no other file';
      fail(noSuchLayer({ site: row.sites[0]!.id, why }));
    }
    // the layers of the other file may compute in another type
    const { factorDType: _of, ...rest } = row;
    return { ...rest, sites: row.sites.map((site) => siteOf(row, site)) };
  });
  const weights = plan.weights ? { weights: plan.weights.map((row) => weightHere(model, row)) } : {};
  return { plan: { ...plan, plans, ...weights }, matched };
}

/** Layers by their module paths, with and without what an exporter puts in front. */
export function sitesByName({ sites, wrapper }: Linears): ReadonlyMap<string, readonly Site[]> {
  const byName = new Map<string, Site[]>();
  for (const site of sites) {
    if (site.modulePath === null) continue;
    for (const name of pathsSeen(site, wrapper)) byName.set(name, [...(byName.get(name) ?? []), site]);
  }
  return byName;
}

/** Why no layer of these names can take an adapter. */
function reasonWithout(names: readonly string[], { sites, refused }: Linears): string {
  const here = refused.find(({ modulePath }) => modulePath !== null && names.includes(modulePath));
  if (here) return here.diagnostic.message;
  const near = nearestPaths(names[0]!, sites);
  const closest = near.length > 0 ? `; the closest are ${near.map((path) => `"${path}"`).join(', ')}` : '';
  return `the model has no layer of that module path${closest}`;
}

/** A trained weight with the digests of what this model stores at its places; `placeWeights` refuses those that do not fit. */
function weightHere(model: Model, row: WeightRow): WeightRow {
  const places = row.places.map((place) => {
    const value = model.graph.own(place.tensor);
    const data = value ? constantData(value) : null;
    return data ? { ...place, digest: weightDigest(data) } : place;
  });
  return { ...row, places };
}
