import type { PlanRow } from '../../adapter/saved-plan.js';
import { lonelyGroup, overridable, tiedWeights, unmergedAdapters } from '../../ir/codes/sites.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import { nodePath } from '../../ir/model.js';
import { countFactors, groupExtents } from './counts.js';
import type { Linears } from './find.js';
import type { Chosen } from './select.js';
import type { AdapterSite } from './site.js';

/** What the user should know about a plan that is valid: tied layers, replaceable weights, groups of one layer. */
export function remarksOn(
  rows: readonly PlanRow[],
  sites: readonly AdapterSite[],
  chosen: readonly Chosen[],
  linears: Linears,
): Diagnostic[] {
  const remarks: Diagnostic[] = [];
  if (linears.unmergedLora > 0) remarks.push(unmergedAdapters({ adapters: linears.unmergedLora }));
  for (const { site } of chosen) {
    if (site.uses.length > 1) {
      const names = site.uses.map(({ node }) => node.label);
      remarks.push(tiedWeights({ site: site.id, names, byContent: linears.tiedByContent.has(site) }));
    }
    const open = site.uses.find(({ weight }) => weight.isInput);
    if (open) {
      const { node, weight } = open;
      const place = { layer: site.id, path: nodePath(node), op: node.op, input: 1 };
      remarks.push(overridable({ ...place, weight: weight.name }));
    }
  }
  for (const row of rows) {
    const shares = row.spec.factors.some(({ share }) => share === 'group');
    for (const [index, extents] of groupExtents(row).entries()) {
      const lora = (extents.in + extents.out) * extents.rank;
      const own = countFactors(row.spec, [extents]);
      if (!shares || extents.sites > 1 || own <= lora) continue;
      const group = row.groups[index]!.id;
      const site = sites.find((each) => each.group === group)!.id;
      remarks.push(lonelyGroup({ group, site, method: row.spec.method, own, lora }));
    }
  }
  return remarks;
}
