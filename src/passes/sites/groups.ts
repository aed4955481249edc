import type { ShareRule } from '../../adapter/saved-plan.js';
import { badPattern, conflict } from '../../ir/codes/sites.js';
import { fail } from '../../ir/diagnostics.js';
import { SHARE_RULE } from '../../options/words.js';
import { layerNumber } from './patterns.js';
import type { Chosen } from './select.js';
import type { AdapterSite, Site } from './site.js';

/** Reads a sharing rule. Throws LOTR3004 when it is none. */
export function parseShare(text: string): ShareRule {
  const [rule, count] = SHARE_RULE.exec(text) ?? [];
  if (count !== undefined) return `block=${Number(count)}`;
  if (rule !== undefined) return rule as ShareRule;
  const why = 'it is shape, target, type, site or block=K with K of at least 1';
  return fail(badPattern({ option: '--share', pattern: text, why }));
}

/**
 * Assigns every chosen site to a group, all of one (in, out) and one rank. Ids: `128x128` (shape), `query/128x128` (target,
 * type), `block0/128x128`, the site's own id (site); sites whose rank is not the general one go to a group of their own,
 * `128x128/r4`. Throws LOTR3007 when the rule needs module paths that a site does not have.
 */
export function groupSites(
  chosen: readonly Chosen[],
  share: ShareRule,
  rank: number,
  rankOf: (site: Site) => number,
): readonly AdapterSite[] {
  const labels = targetLabels(chosen.map(({ target }) => target));
  return chosen.map(({ site, target }) => {
    const shape = `${site.in}x${site.out}`;
    const own = rankOf(site);
    const group = `${prefix(share, site, labels.get(target)!, shape)}${own === rank ? '' : `/r${own}`}`;
    return { ...site, group, rank: own };
  });
}

function prefix(share: ShareRule, site: Site, target: string, shape: string): string {
  switch (share) {
    case 'shape':
      return shape;
    case 'target':
      return `${target}/${shape}`;
    case 'site':
      return site.id;
    case 'type':
      return `${site.modulePath?.split('.').at(-1) ?? noPath(share, site)}/${shape}`;
    default: {
      const layer = layerNumber(site.modulePath ?? '') ?? noPath(share, site);
      return `block${Math.floor(layer / Number(share.slice('block='.length)))}/${shape}`;
    }
  }
}

function noPath(share: ShareRule, site: Site): never {
  return fail(
    conflict({
      options: `--share ${share}`,
      why:
        site.modulePath === null
          ? `layer "${site.id}" has no module path`
          : `the path of layer "${site.id}" has no layer number`,
      hint: '--exclude the layer, or use --share shape',
    }),
  );
}

/** Targets as parts of tensor names: `attention\.self\.(query|value)$` becomes `attention.self.query-value`. */
function targetLabels(targets: readonly string[]): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  const taken = new Set<string>();
  for (const target of targets) {
    if (labels.has(target)) continue;
    const base =
      target
        .replace(/^glob:/, '')
        .replace(/[()[\]\\^$]|\(\?[i:]\)?/g, '')
        .replace(/[^\w.-]+/g, '-')
        .replace(/^[-.]+|[-.]+$/g, '') || 'target';
    let label = base;
    for (let count = 2; taken.has(label); count++) label = `${base}-${count}`;
    taken.add(label);
    labels.set(target, label);
  }
  return labels;
}
