import type { Mode, Share } from './adapter/description.js';
import { factorNames, groupOf, planFactors } from './adapter/plan-factors.js';
import type { NameSource, SavedPlan, SiteRow } from './adapter/saved-plan.js';
import { constantData } from './ir/constants.js';
import type { Model, Value } from './ir/model.js';
import { outputsByName, readPlan } from './passes/plan/plan.js';
import { findLinears, type Linears } from './passes/sites/find.js';
import { groupBy } from './passes/sites/group-by.js';
import { pathParts } from './passes/sites/patterns.js';

/** What `lotrc inspect --json` prints. The form is stable: other tools read it. */
export interface InspectReport {
  readonly version: 1;
  readonly sites: readonly InspectSite[];
  /** present on a rewritten model */
  readonly groups?: readonly InspectGroup[];
  /** likewise: of each description, scale and rank the layers and all their factors */
  readonly plans?: readonly InspectPlan[];
  /** names of weights that were trained in full and replace those of the base; absent: none */
  readonly trained?: readonly string[];
}

/** One linear layer: one weight and all nodes that read it. */
export interface InspectSite {
  /** torch module path, or an ordinal name when none is known */
  readonly module: string;
  /** names of the nodes; `Op->output` for nodes without a name */
  readonly nodes: readonly string[];
  readonly op: string;
  /** name of the stored tensor */
  readonly weight: string;
  readonly in: number | null;
  readonly out: number | null;
  /** how the first node reads the weight */
  readonly layout: 'in,out' | 'out,in';
  readonly dtype: string;
  readonly nameSource: NameSource;
  readonly adaptable: true | { readonly code: string; readonly reason: string };
}

/** Layers of one description, scale and rank. */
interface InspectPlan {
  readonly method: string;
  readonly rank: number;
  readonly scale: number;
  /** with every factor that a layer reads, whatever shares it */
  readonly sites: readonly {
    readonly module: string;
    readonly nodes: readonly string[];
    readonly factors: Readonly<Record<string, string>>;
  }[];
  readonly factors: readonly InspectFactor[];
}

interface InspectFactor {
  readonly name: string;
  readonly share: Share;
  /** what the layers that read it have in common: module path, id of a group, `model`, part of a module path */
  readonly key: string;
  /** name of the tensor, or of the graph input that carries it */
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly mode: Mode;
}

export interface InspectGroup {
  readonly id: string;
  readonly method: string;
  readonly rank: number;
  readonly scale: number;
  /** shared factors: name of the tensor, or of the graph input that carries it */
  readonly factors: Readonly<Record<string, string>>;
  readonly sites: readonly {
    readonly module: string;
    readonly nodes: readonly string[];
    readonly factors: Readonly<Record<string, string>>;
  }[];
}

/**
 * Lists the linear layers of a model, adaptable or not, in node order; on a model that carries adapters the layers are
 * those of the base, and the groups are added. Reads a few elements of some weights (see findLinears), never all.
 * Throws LOTR3202 when the saved plan is damaged.
 */
export function inspect(model: Model): InspectReport {
  const linears = findLinears(model);
  const plan = readPlan(model);
  const order = nodeOrder(model);
  const adapted = new Set(
    plan?.plans.flatMap((row) => row.sites.flatMap(({ uses }) => uses.map(({ weight }) => weight))) ?? [],
  );
  const rows: { at: number; site: InspectSite }[] = [];
  for (const { at, site, values } of baseSites(linears, order)) {
    if (!values.every((value) => adapted.has(value.name))) rows.push({ at, site });
  }
  if (plan) rows.push(...planSites(model, plan, order));
  const sites = rows.sort((a, b) => a.at - b.at).map(({ site }) => site);
  const trained = plan?.weights ? { trained: plan.weights.map(({ name }) => name) } : {};
  return { version: 1, sites, ...(plan ? { groups: groupsOf(plan), plans: plansOf(plan) } : {}), ...trained };
}

/** The report as JSON text with a final line feed. */
export function inspectJson(report: InspectReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

interface BaseSite {
  readonly at: number;
  readonly site: InspectSite;
  readonly values: readonly Value[];
}

function* baseSites(linears: Linears, order: ReadonlyMap<Value, number>): Iterable<BaseSite> {
  for (const site of linears.sites) {
    const { node, weight, layout } = site.uses[0]!;
    yield {
      at: order.get(node.outputs[0]!)!,
      values: site.uses.map((use) => use.weight),
      site: {
        module: site.modulePath ?? site.id,
        nodes: site.uses.map((use) => use.node.label),
        op: node.opKey,
        weight: weight.name,
        in: site.in,
        out: site.out,
        layout: layout === 'io' ? 'in,out' : 'out,in',
        dtype: site.dtype,
        nameSource: site.nameFrom,
        adaptable: true,
      },
    };
  }
  for (const { id, modulePath, nameFrom, candidate, weight, diagnostic } of linears.refused) {
    const { node, stored } = candidate;
    yield {
      at: order.get(node.outputs[0]!)!,
      values: [weight],
      site: {
        module: modulePath ?? id,
        nodes: [node.label],
        op: node.opKey,
        weight: weight.name,
        in: candidate.in,
        out: candidate.out,
        layout: candidate.layout === 'io' ? 'in,out' : 'out,in',
        dtype: stored?.dtype ?? dtypeOf(weight),
        nameSource: nameFrom,
        adaptable: { code: diagnostic.code, reason: diagnostic.message },
      },
    };
  }
}

/** Adapted layers as the plan remembers them: whatever form the adapter was lowered to, this is the base layer. */
function* planSites(
  model: Model,
  plan: SavedPlan,
  order: ReadonlyMap<Value, number>,
): Iterable<{ at: number; site: InspectSite }> {
  const outputs = outputsByName(model);
  const stored = storedByName(model);
  for (const row of plan.plans) {
    const groups = new Map(row.groups.map((group) => [group.id, group]));
    for (const site of row.sites) {
      const { in: inn, out } = groups.get(site.group)!;
      const first = site.uses[0]!;
      const output = outputs.get(first.output);
      const weight = stored.get(first.weight);
      yield {
        at: (output && order.get(output)) ?? order.size,
        site: {
          module: site.modulePath ?? site.id,
          nodes: nodeNames(site),
          op: first.op,
          weight: first.weight,
          in: inn,
          out,
          layout: first.layout === 'io' ? 'in,out' : 'out,in',
          dtype: weight ? dtypeOf(weight) : 'unknown',
          nameSource: site.nameFrom,
          adaptable: true,
        },
      };
    }
  }
}

function nodeNames({ uses }: SiteRow): string[] {
  return uses.map(({ node, op, output }) => (node === '' ? `${op}->${output}` : node));
}

function groupsOf(plan: SavedPlan): InspectGroup[] {
  return plan.plans.flatMap((row) =>
    row.groups.map((group) => ({
      id: group.id,
      method: row.spec.method,
      rank: group.rank,
      scale: row.spec.scale,
      factors: group.factors,
      sites: row.sites
        .filter((site) => site.group === group.id)
        .map((site) => ({
          module: site.modulePath ?? site.id,
          nodes: nodeNames(site),
          factors: site.factors,
        })),
    })),
  );
}

function plansOf({ plans }: SavedPlan): InspectPlan[] {
  const tensors = planFactors(plans);
  return plans.flatMap((row) => {
    const { method, scale, factors } = row.spec;
    const byRank = groupBy(row.sites, (site) => String(groupOf(row, site).rank));
    return [...byRank].map(([rank, sites]): InspectPlan => {
      const keys = new Map<string, string>();
      const listed = sites.map((site) => {
        const names = factorNames(row, site);
        for (const [k, name] of names.entries())
          if (!keys.has(name)) keys.set(name, keyOf(factors[k]!.share, site));
        const own = Object.fromEntries(names.map((name, k) => [factors[k]!.name, name]));
        return { module: site.modulePath ?? site.id, nodes: nodeNames(site), factors: own };
      });
      const all = tensors.flatMap(({ name, spec, shape }): InspectFactor[] => {
        const key = keys.get(name);
        if (key === undefined) return [];
        return [{ name: spec.name, share: spec.share, key, tensor: name, shape, mode: spec.mode }];
      });
      return { method, rank: Number(rank), scale, sites: listed, factors: all };
    });
  });
}

/** What the layers that share a factor with this one have in common. */
function keyOf(share: Share, { id, modulePath, group }: SiteRow): string {
  if (share === 'group') return group;
  if (share === 'model') return share;
  const path = modulePath ?? id;
  if (share === 'site') return path;
  const [layer, type] = pathParts(path);
  return share === 'layer' ? (layer ?? path) : type;
}

/** Position of the node that delivers a value, over all graphs. */
function nodeOrder(model: Model): ReadonlyMap<Value, number> {
  const order = new Map<Value, number>();
  let at = 0;
  for (const node of model.everyNode()) {
    for (const output of node.outputs) order.set(output, at);
    at++;
  }
  return order;
}

function storedByName(model: Model): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>();
  for (const graph of model.everyGraph()) {
    for (const value of graph.ownValues()) {
      if (!found.has(value.name) && constantData(value)) found.set(value.name, value);
    }
  }
  return found;
}

function dtypeOf(value: Value): string {
  return constantData(value)?.dtype ?? (value.type?.kind === 'tensor' ? value.type.dtype : 'unknown');
}
