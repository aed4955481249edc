import type { AdapterSpec } from '../adapter/description.js';
import { planFactors } from '../adapter/plan-factors.js';
import { type GroupRow, PLAN_KEY, type PlanRow, type SiteRow } from '../adapter/saved-plan.js';
import { leadingTensor } from '../adapter/to-numbers/tensor.js';
import { noForeignPlace, uselessModuleMap } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import type { TensorData } from '../ir/tensor.js';
import type { Adapter } from '../passes/adapters/adapter-file.js';
import { withWeights } from '../passes/plan/plan.js';
import { findLinears, type Linears } from '../passes/sites/find.js';
import { groupBy } from '../passes/sites/group-by.js';
import { pathsSeen } from '../passes/sites/patterns.js';
import { digester, useRows } from '../passes/sites/plan.js';
import type { Site } from '../passes/sites/site.js';
import { unpackLayers } from '../passes/unpack/unpack.js';
import { layersOfStacks, stacksOfExperts } from './bind-stacks.js';
import { bindWeights } from './bind-weights.js';
import type { ForeignAdapter, ForeignLayer } from './foreign.js';
import { type MappedName, type ModuleMap, mapName, meantBy, meantByFlat, nearestTo } from './names.js';

export interface BindOptions {
  readonly moduleMap?: ModuleMap | undefined;
}

/** A foreign adapter as one of lotrc's own, for one model. */
export interface BoundAdapter {
  readonly adapter: Adapter;
  /** layers: what the adapter calls them and what the model does */
  readonly matched: readonly { readonly module: string; readonly path: string }[];
}

/**
 * Puts the layers and whole weights of a foreign adapter in their places in a model, by their names. Layers inside fused operators and
 * functions are taken out first, in place, as `apply` does. Throws LOTR7301 when a module is not in the model, may be several, or
 * has other extents; LOTR7302 for entries of the map that fit no module.
 */
export function bindAdapter(
  model: Model,
  given: ForeignAdapter,
  { moduleMap = new Map() }: BindOptions = {},
): BoundAdapter {
  const names = new ModuleNames(given, moduleMap);
  const apart = layersOfStacks(model, given, names);
  const stacks = new Set([...apart.stacks, ...stacksOfExperts(model, given, names)]);
  unpackLayers(model, (path) => stacks.has(path));
  const foreign = { ...given, layers: [...given.layers, ...apart.layers] };
  const linears = findLinears(model, { tie: 'initializer' });
  const layers = onSites(foreign, linears, names);
  const { plans, tensors } = rowsOf(model, layers);
  const weights = bindWeights(model, linears, foreign, names);
  names.refuseUnused();
  const plan = withWeights({ version: 1, plans }, [...weights.rows]);
  return {
    adapter: {
      tensors: new Map([...tensors, ...weights.tensors]),
      metadata: { format: 'pt', [PLAN_KEY]: JSON.stringify(plan) },
    },
    matched: layers.map(({ layer, sites }) => ({ module: layer.module, path: sites[0]!.id })),
  };
}

/** The names of a foreign adapter, as the model may know them. */
export class ModuleNames {
  readonly #used = new Set<string>();

  constructor(
    readonly foreign: ForeignAdapter,
    readonly map: ModuleMap,
  ) {}

  /** What a name means among those that are known; none or several where that is not clear. */
  among(
    name: string,
    known: Iterable<string>,
  ): { readonly mapped: MappedName; readonly found: readonly string[] } {
    const mapped = mapName(name, this.map);
    if (mapped.by !== null) this.#used.add(mapped.by);
    const find = this.foreign.names === 'flat' && mapped.by === null ? meantByFlat : meantBy;
    return { mapped, found: find(mapped.name, known) };
  }

  refuseUnused(): void {
    const unused = [...this.map.keys()].find((from) => !this.#used.has(from));
    if (unused === undefined) return;
    const names = [...this.foreign.layers, ...this.foreign.weights].map(({ module }) => module);
    fail(uselessModuleMap({ from: unused, file: this.foreign.file, near: nearestTo(unused, names) }));
  }
}

interface PlacedLayer {
  readonly layer: ForeignLayer;
  /** more than one where the file stores the weight several times */
  readonly sites: readonly Site[];
}

/** The sites of every layer. Throws LOTR7301 for all modules that have none, or several that differ. */
function onSites(foreign: ForeignAdapter, linears: Linears, names: ModuleNames): readonly PlacedLayer[] {
  const byPath = new Map<string, Site[]>();
  for (const site of linears.sites)
    for (const path of pathsSeen(site, linears.wrapper))
      byPath.set(path, [...(byPath.get(path) ?? []), site]);
  const refused = new Map(linears.refused.flatMap((one) => (one.modulePath ? [[one.modulePath, one]] : [])));
  const wrong: { readonly module: string; readonly why: string; readonly near: readonly string[] }[] = [];
  const owners = new Map<Site, ForeignLayer>();
  const placed: PlacedLayer[] = [];
  for (const open of foreign.layers) {
    const { mapped, found } = names.among(open.module, byPath.keys());
    const sites = [...new Set(found.flatMap((path) => byPath.get(path)!))];
    const { layer, unfit } = inPlace(open, sites);
    const why = ((): string | null => {
      const other = sites.find((site) => !fitsExtents(layer, site));
      if (other && found.length === 1)
        return `it is ${layer.in ?? '?'}x${layer.out ?? '?'}, and "${other.id}" of the model is ${other.in}x${other.out}`;
      if (found.length > 1 && new Set(sites.map(({ uses }) => uses[0]!.weight)).size > 1) {
        const list = found.slice(0, 3).map((path) => `"${path}"`);
        return `it may be ${list.join(' or ')}${found.length > 3 ? ` (${found.length} layers)` : ''}`;
      }
      if (found.length > 0) return unfit;
      const here = refused.get(mapped.name);
      if (here) return `the layer cannot take an adapter: ${here.diagnostic.message}`;
      return mapped.by === null
        ? 'the model has no linear layer of that name'
        : `the model has no linear layer "${mapped.name}"`;
    })();
    if (why !== null) {
      wrong.push({
        module: layer.module,
        why,
        near: found.length > 0 ? [] : nearestTo(mapped.name, byPath.keys()),
      });
      continue;
    }
    const owner = sites.map((site) => owners.get(site)).find((one) => one !== undefined);
    if (owner) {
      if (!sameLayer(owner, layer)) {
        const held = `in the model it holds the same weight as "${owner.module}", and the adapter changes them differently`;
        wrong.push({ module: layer.module, why: held, near: [] });
      }
      continue;
    }
    for (const site of sites) owners.set(site, layer);
    placed.push({ layer, sites });
  }
  const [first, ...more] = wrong;
  if (first) fail(noForeignPlace({ ...first, file: foreign.file, what: 'layer', more }));
  refuseParts(foreign, placed, linears, names);
  return placed;
}

/** One weight that several modules hold changes for all of them or none. Throws LOTR7301. */
function refuseParts(
  foreign: ForeignAdapter,
  placed: readonly PlacedLayer[],
  { wrapper }: Linears,
  names: ModuleNames,
): void {
  const modules = foreign.layers.map(({ module }) => module);
  for (const { layer, sites } of placed) {
    for (const site of sites) {
      const others = distinctModules(site).filter((path) => {
        const seen = pathsSeen({ id: path, modulePath: path }, wrapper);
        return !modules.some((module) => names.among(module, seen).found.length > 0);
      });
      if (others.length === 0) continue;
      const why = `in the model "${others[0]}" reads the same stored weight, and the adapter leaves that as it is`;
      fail(
        noForeignPlace({ module: layer.module, why, near: [], file: foreign.file, what: 'layer', more: [] }),
      );
    }
  }
}

/** The modules that read a site's weight; the name of a stack, and PEFT's name of a base layer, are not other modules. */
function distinctModules({ id, modulePath, aliases }: Site): readonly string[] {
  const own = modulePath ?? id;
  return [own, ...aliases.filter((path) => !own.startsWith(path) && !path.startsWith(own))];
}

/** A layer as it is at its sites, where it depends on their extents; else as it is. */
function inPlace(
  layer: ForeignLayer,
  [site]: readonly Site[],
): { readonly layer: ForeignLayer; readonly unfit: string | null } {
  if (!layer.inPlace || !site) return { layer, unfit: null };
  const made = layer.inPlace(site);
  if (typeof made === 'string')
    return { layer, unfit: `${made}, and "${site.id}" of the model is ${site.in}x${site.out}` };
  return { layer: { ...layer, in: site.in, out: site.out, ...made }, unfit: null };
}

/** Whether the extents that the layer says are those of the site. */
function fitsExtents(layer: ForeignLayer, { in: inn, out }: Site): boolean {
  return (layer.in ?? inn) === inn && (layer.out ?? out) === out;
}

function sameLayer(a: ForeignLayer, b: ForeignLayer): boolean {
  return (
    JSON.stringify([a.spec, a.rank]) === JSON.stringify([b.spec, b.rank]) &&
    a.factors.every((factor, k) => factor.digest() === b.factors[k]!.digest())
  );
}

/** Plan rows, one for each description and scale, and the factors by their names. */
function rowsOf(model: Model, placed: readonly PlacedLayer[]) {
  const rows = [...groupBy(placed, ({ layer }) => JSON.stringify(layer.spec)).values()];
  const tensors = new Map<string, TensorData>();
  const digestOf = digester(false);
  const nameOf = factorNamer(model);
  const usual = mostFrequent(placed.map(({ layer }) => layer.rank));
  const plans = rows.map((members, at): PlanRow => {
    const { spec } = members[0]!.layer;
    const groups = new Map<string, GroupRow>();
    const sites = members.map(({ layer, sites: [first, ...copies] }): SiteRow => {
      const { id, modulePath, nameFrom, aliases, in: inn, out } = first!;
      const { rank } = layer;
      const group = `${inn}x${out}${rank === usual ? '' : `/r${rank}`}${at === 0 ? '' : `/s${spec.scale}`}`;
      const held = (ofGroup: boolean) =>
        Object.fromEntries(
          spec.factors.flatMap(({ name, share }, k) => {
            if ((share === 'group') !== ofGroup) return [];
            const data = layer.factors[k]!;
            const tensor = nameOf(spec, share === 'site' ? id : ofGroup ? group : share, name, data);
            tensors.set(tensor, data);
            return [[name, tensor] as const];
          }),
        );
      groups.set(group, { id: group, in: inn, out, rank, factors: held(true) });
      const uses = [first!, ...copies].flatMap((site) => useRows(site, digestOf));
      return { id, modulePath, nameFrom, aliases, group, factors: held(false), uses };
    });
    return {
      spec,
      share: 'shape',
      carry: 'embedded',
      lowering: 'fold',
      seed: 0,
      groups: [...groups.values()],
      sites,
    };
  });
  // where layers share a factor, the file may hold more of it than the layers that are there need
  for (const { name, shape } of planFactors(plans))
    tensors.set(name, leadingTensor(tensors.get(name)!, shape));
  return { plans, tensors };
}

/** Names of factors as `lotrc rewrite` gives them: `lora/<layer>/A`; factors that layers of several plans share have one name. */
function factorNamer(
  model: Model,
): (spec: AdapterSpec, owner: string, factor: string, data: TensorData) => string {
  const names = new Map<string, Map<TensorData, string>>();
  return ({ method }, owner, factor, data) => {
    const wanted = `${method}/${owner}/${factor}`;
    const held = names.get(wanted) ?? new Map<TensorData, string>();
    names.set(wanted, held);
    const name = held.get(data) ?? model.graph.names.freshValue(wanted);
    held.set(data, name);
    return name;
  };
}

/** The value that is there most often; of several the smallest. */
export function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? 0;
}
