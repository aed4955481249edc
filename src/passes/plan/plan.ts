import {
  PLAN_KEY,
  type PlanRow,
  planVersion,
  type SavedPlan,
  type WeightRow,
} from '../../adapter/saved-plan.js';
import { badPlan, noPlan } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { parsePlain } from '../../ir/files/json.js';
import type { Model, Value } from '../../ir/model.js';
import { faultOfRepeats, faultOfRow, faultOfWeight } from './plan-check.js';

/** The plan that a model carries, or null. Throws LOTR3202 when the entry is there but is not a plan. */
export function readPlan(model: Model): SavedPlan | null {
  const text = model.metadata.get(PLAN_KEY);
  if (text === undefined) return null;
  const known = parsed.get(model);
  if (known?.text === text) return known.plan;
  const plan = parsePlan(text);
  parsed.set(model, { text, plan });
  return plan;
}

/** The plan that was read last of each model: nobody changes a plan, and many passes ask for it. */
const parsed = new WeakMap<Model, { readonly text: string; readonly plan: SavedPlan }>();

/** The plan in the metadata of an adapter file, or null. Throws as {@link readPlan}. */
export function planIn(metadata: Readonly<Record<string, string>>): SavedPlan | null {
  const text = metadata[PLAN_KEY];
  return text === undefined ? null : parsePlan(text);
}

/** The plan that a model carries. Throws LOTR3201 when there is none; `doing` completes "cannot ...". */
export function requirePlan(model: Model, doing: string): SavedPlan {
  return readPlan(model) ?? fail(noPlan({ doing }));
}

/** Reads a plan's JSON and checks the parts that later passes rely on. */
export function parsePlan(text: string): SavedPlan {
  const refuse = (why: string): never => fail(badPlan({ why }));
  let data: unknown;
  try {
    data = parsePlain(text);
  } catch {
    refuse('it is not JSON');
  }
  if (typeof data !== 'object' || data === null) return refuse('it is not an object');
  const plan = data as Partial<SavedPlan>;
  if (![1, 2, 3, 4].includes(plan.version as number))
    return refuse(`it has version ${JSON.stringify(plan.version)}, this lotrc reads 1 to 4`);
  if (!Array.isArray(plan.plans)) return refuse('it lists no plans');
  for (const row of plan.plans as unknown[]) {
    const fault = faultOfRow(row);
    if (fault !== null) refuse(fault);
    const { groups, sites } = row as PlanRow;
    const known = new Set(groups.map(({ id }) => id));
    for (const site of sites) if (!known.has(site.group)) refuse(`site "${site.id}" is in no group`);
  }
  const fault = faultOfRepeats(plan.plans as readonly PlanRow[]);
  if (fault !== null) refuse(fault);
  const weights: unknown = plan.weights ?? [];
  if (!Array.isArray(weights)) return refuse('its trained weights are not a list');
  for (const row of weights as unknown[]) {
    const fault = faultOfWeight(row);
    if (fault !== null) refuse(fault);
  }
  return data as SavedPlan;
}

/** The plan with these weights trained in full; its version says whether there are any. */
export function withWeights({ plans }: SavedPlan, weights: readonly WeightRow[]): SavedPlan {
  const version = planVersion(plans, weights);
  return weights.length > 0 ? { version, plans, weights } : { version, plans };
}

/**
 * Whether two plans adapt the same layers with factors of the same names and shapes and the same scale, so that the
 * factors of one have the same effect in the layers of the other.
 */
export function samePlan(a: SavedPlan, b: SavedPlan): boolean {
  const essence = ({ plans }: SavedPlan) =>
    JSON.stringify(
      plans.map(({ spec: { delta, scale, scaling, extents, factors }, groups, sites }) => [
        delta,
        scale,
        scaling,
        extents ?? {},
        factors.map(({ name, share, slice }) => [name, share, slice ?? false]),
        groups.map((row) => [row.id, row.in, row.out, row.rank, row.factors]),
        sites.map(({ id, group, factors: own, uses }) => [
          id,
          group,
          own,
          uses.map(({ output, op, weight, digest, layout, transposed }) => [
            output,
            op,
            weight,
            digest,
            layout,
            transposed,
          ]),
        ]),
      ]),
    );
  return essence(a) === essence(b);
}

export function writePlan(model: Model, plan: SavedPlan): void {
  model.setMetadata(PLAN_KEY, JSON.stringify(plan));
}

/** Records in every row of the plan how the model was written since. */
export function patchPlan(model: Model, patch: Partial<Pick<PlanRow, 'lowering' | 'carry'>>): void {
  const plan = requirePlan(model, 'change the plan');
  const same = plan.plans.every((row) =>
    Object.entries(patch).every(([key, value]) => row[key as 'carry'] === value),
  );
  if (!same) writePlan(model, { ...plan, plans: plan.plans.map((row) => ({ ...row, ...patch })) });
}

/** Finds the value of a name that a node delivers. */
export interface Outputs {
  get(name: string): Value | undefined;
}

/**
 * Values that nodes of the main graph, its subgraphs and functions deliver, by name: how a plan's uses are found again.
 * The main graph's own table answers; one of the other graphs is made when a name is not in it.
 */
export function outputsByName(model: Model): Outputs {
  let others: Map<string, Value> | null = null;
  return {
    get(name) {
      const own = model.graph.own(name);
      if (own?.producer) return own;
      others ??= nestedOutputs(model);
      return others.get(name);
    },
  };
}

function nestedOutputs(model: Model): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const graph of model.everyGraph()) {
    if (graph === model.graph) continue;
    for (const node of graph.nodes) {
      for (const output of node.outputs) if (!found.has(output.name)) found.set(output.name, output);
    }
  }
  return found;
}
