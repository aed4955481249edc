import { factorNames, groupOf, readBy } from '../adapter/plan-factors.js';
import type { PlanRow, SavedPlan, SiteRow } from '../adapter/saved-plan.js';
import { needsModel, notLora } from '../ir/codes/files.js';
import { constantData } from '../ir/constants.js';
import { fail } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import type { TensorData } from '../ir/tensor.js';
import { type Adapter, planOfAdapter } from '../passes/adapters/adapter-file.js';
import { CONVOLUTION } from '../passes/adapters/conv-layer.js';
import { initialFactorsOfBase } from '../passes/adapters/initial-of-base.js';
import { withSeeded } from '../passes/adapters/seeded-factors.js';
import { TransposedTensor } from '../passes/adapters/trained-tensor.js';
import { WRAPPERS } from '../passes/sites/module-path.js';
import { MATRIX } from '../passes/sites/stacked.js';
import { expertCounts, stackOf } from '../passes/unpack/stacks.js';
import { storedParameters } from './bind-weights.js';
import type { ExpertOf, ForeignAdapter, ForeignLayer, ForeignWeight } from './foreign.js';
import { type ModuleMap, mapName } from './names.js';
import { onWholeBase } from './whole-base.js';

/**
 * An adapter of lotrc with the names of modules, as other programs have it: a tied layer once for each of its modules. `model`: the
 * base or the adapted model, needed where names of trained weights do not say which parameter they are, and for windows of
 * convolutions. `base`: the model that was rewritten, needed where adapters took parts out of its weights; such layers become LoRA of
 * the whole weights. Throws LOTR7201 for layers that have no module, LOTR7204 where a model is needed, LOTR7206 for another base.
 */
export function asForeign(
  adapter: Adapter,
  file: string,
  {
    model = null,
    base = null,
    moduleMap = new Map(),
  }: { readonly model?: Model | null; readonly base?: Model | null; readonly moduleMap?: ModuleMap } = {},
): ForeignAdapter {
  const plan = planOfAdapter(adapter, file);
  const tensors = withSeeded(plan, adapter.tensors);
  const start = plan.plans.some(({ residual }) => residual) ? startOf(plan, base, file) : null;
  const counts = model && expertCounts(model);
  const several = plan.plans.filter(({ sites }) => sites.some(isExpert)).length > 1;
  const experts = { counts, places: counts ? [...counts.keys()] : several ? null : [] };
  const layers = plan.plans.flatMap((row) =>
    row.sites.flatMap((site) => {
      const made = layersOf(row, site, tensors, model, experts, file, moduleMap);
      if (!start || !row.residual) return made;
      const lost = factorNames(row, site).map((name, k) => readBy(row, site, k, start.get(name)!));
      return made.map((layer) => onWholeBase(layer, lost));
    }),
  );
  const twice = layers.find(({ module }, at) => layers.findIndex((other) => other.module === module) < at);
  if (twice)
    fail(notLora({ method: twice.spec.method, why: `two layers have the module path "${twice.module}"` }));
  return {
    file,
    names: 'dotted',
    layers,
    stacks: [],
    weights: weightsOf(plan, tensors, model, file, moduleMap),
    leftOut: [],
  };
}

/** The factors that the base lost. */
function startOf(plan: SavedPlan, base: Model | null, file: string): ReadonlyMap<string, TensorData> {
  const why = 'what its factors were when they were taken out of the base weights';
  return initialFactorsOfBase(base ?? fail(needsModel({ file, why })), plan, file);
}

function layersOf(
  row: PlanRow,
  site: SiteRow,
  tensors: ReadonlyMap<string, TensorData>,
  model: Model | null,
  experts: KnownStacks,
  file: string,
  map: ModuleMap,
): readonly ForeignLayer[] {
  const { spec } = row;
  const refuse = (why: string): never => fail(notLora({ method: spec.method, why }));
  const { in: inn, out, rank } = groupOf(row, site);
  const factors = factorNames(row, site).map((name, k) => readBy(row, site, k, tensors.get(name)!));
  const window = windowOf(site, model, file);
  return modulesOf(site, map, refuse).map((module) => {
    const expert = expertOf(site, module, experts, refuse);
    return {
      ...{ module, in: inn, out, rank, spec, factors },
      ...(window ? { window } : {}),
      ...(expert ? { expert } : {}),
    };
  });
}

/** What is known of stacks of experts. */
interface KnownStacks {
  /** matrices of each, of a model */
  readonly counts: ReadonlyMap<string, number> | null;
  /** their order; none where the order of the plan is that of the parameters; null: unknown */
  readonly places: readonly string[] | null;
}

const isExpert = ({ uses }: SiteRow): boolean => uses.some(({ op }) => op === MATRIX);

/** Which expert a layer is; null for layers that are modules. */
function expertOf(
  site: SiteRow,
  module: string,
  { counts, places }: KnownStacks,
  refuse: (why: string) => never,
): ExpertOf | null {
  const use = site.uses.find(({ op }) => op === MATRIX);
  if (!use) return null;
  const [, parameter, number] = /^(.+\..+)\.(\d+)$/.exec(module) ?? [];
  if (parameter === undefined)
    return refuse(`layer "${site.id}" is a matrix of a stack of experts whose module is unknown`);
  const stack = stackOf(use.weight);
  return {
    parameter,
    number: Number(number),
    of: counts?.get(stack) ?? null,
    lies: use.transposed ? 'oi' : 'io',
    place: places?.indexOf(stack) ?? null,
  };
}

/** The modules that hold a site's weight. PEFT keeps the layer that it adapted inside its own as `base_layer`. */
function modulesOf(site: SiteRow, map: ModuleMap, refuse: (why: string) => never): readonly string[] {
  const { id, modulePath, aliases } = site;
  const mapped = mapName(modulePath ?? id, map);
  if (modulePath === null)
    return mapped.by === null ? refuse(`the module path of layer "${id}" is unknown`) : [mapped.name];
  // the stack of which a matrix was taken is no other module
  const others = aliases.filter((path) => !modulePath.startsWith(`${path}.`));
  const modules = [modulePath, ...others].map((path) => mapName(path.replace(/\.base_layer$/, ''), map).name);
  return [...new Set(modules)];
}

/** Channels and window of a convolution; null for other layers. */
function windowOf(site: SiteRow, model: Model | null, file: string): readonly number[] | null {
  const use = site.uses.find(({ op }) => op === CONVOLUTION);
  if (!use) return null;
  const value = model?.graph.own(use.weight);
  const data = value && constantData(value);
  if (!data) return fail(needsModel({ file, why: `the window of convolution "${site.id}"` }));
  return data.shape.slice(1);
}

/** What names of parameters look like; names that exporters make up have no dots, and say nothing about a parameter. */
const PARAMETER = /^[A-Za-z_][\w-]*(?:\.[\w-]+)+$/;

function weightsOf(
  { plans, weights = [] }: SavedPlan,
  tensors: ReadonlyMap<string, TensorData>,
  model: Model | null,
  file: string,
  map: ModuleMap,
): readonly ForeignWeight[] {
  if (weights.length === 0) return [];
  const known = new Map<string, { readonly name: string; readonly transposed: boolean }[]>();
  if (model) {
    for (const [name, { tensor, transposed }] of storedParameters(model))
      if (PARAMETER.test(name)) known.set(tensor, [...(known.get(tensor) ?? []), { name, transposed }]);
  }
  return weights.flatMap(({ name, places }) => {
    const data = tensors.get(name)!;
    const found = places.flatMap(({ tensor, transposed: turned }) => {
      const own =
        known.get(tensor) ??
        (PARAMETER.test(tensor) ? [{ name: unwrapped(tensor, plans), transposed: false }] : []);
      // a layer and the parameter itself may both name it
      return own
        .slice(0, 1)
        .map((parameter) => ({ ...parameter, transposed: parameter.transposed !== turned }));
    });
    if (found.length < places.length) fail(needsModel({ file, why: `which parameter "${name}" is` }));
    return found.map((parameter): ForeignWeight => {
      const cut = parameter.name.lastIndexOf('.');
      return {
        module: mapName(parameter.name.slice(0, cut), map).name,
        parameter: parameter.name.slice(cut + 1),
        data: parameter.transposed ? new TransposedTensor(data) : data,
      };
    });
  });
}

/** The name of a tensor without the wrapper of an exporting script, which the paths of the plan do not have. */
function unwrapped(name: string, plans: readonly PlanRow[]): string {
  const [first = '', ...rest] = name.split('.');
  const inside = plans.some(({ sites }) =>
    sites.some(({ modulePath }) => modulePath?.startsWith(`${first}.`)),
  );
  return WRAPPERS.has(first) && !inside ? rest.join('.') : name;
}
