import { badPlan } from '../ir/codes/adapters.js';
import { fail } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import { type FactorSpec, shapeOfFactor, splitProblem } from './description.js';
import type { GroupRow, PlanRow, SiteRow } from './saved-plan.js';
import { leadingTensor } from './to-numbers/tensor.js';

const groupIndexes = new WeakMap<PlanRow, ReadonlyMap<string, GroupRow>>();

/** The group of a site. */
export function groupOf(row: PlanRow, site: SiteRow): GroupRow {
  let index = groupIndexes.get(row);
  if (!index) {
    index = new Map(row.groups.map((group) => [group.id, group]));
    groupIndexes.set(row, index);
  }
  return index.get(site.group)!;
}

/** A site's factor tensors in the order of the einsum's operands: group factors from its group, site factors its own. */
export function factorNames(row: PlanRow, site: SiteRow): readonly string[] {
  const group = groupOf(row, site);
  return row.spec.factors.map(({ name, share }) => {
    const held = share === 'group' ? group.factors : site.factors;
    return (
      (Object.hasOwn(held, name) ? held[name] : undefined) ??
      fail(badPlan({ why: `site "${site.id}" has no factor ${name}` }))
    );
  });
}

/** A tensor of a plan that holds a factor of one or more of its layers. */
export interface FactorTensor {
  readonly name: string;
  readonly row: PlanRow;
  /** index of the einsum operand */
  readonly factor: number;
  readonly spec: FactorSpec;
  /** of the tensor; a layer that reads a leading part only reads less */
  readonly shape: readonly number[];
  /** the group whose layers read it; null: layers of several groups may */
  readonly group: string | null;
  /** the one layer that reads it; null: layers share it */
  readonly site: SiteRow | null;
}

/**
 * Every factor tensor of plan rows, each once: of each row those of groups first, then the others, in the order of its layers.
 * Throws LOTR3202 when layers that share a tensor do not agree on its extents.
 */
export function planFactors(rows: readonly PlanRow[]): readonly FactorTensor[] {
  const known = factorsOf.get(rows) ?? tensorsOf(rows);
  factorsOf.set(rows, known);
  return known;
}

const factorsOf = new WeakMap<readonly PlanRow[], readonly FactorTensor[]>();

function tensorsOf(rows: readonly PlanRow[]): readonly FactorTensor[] {
  const found = new Map<string, FactorTensor>();
  for (const row of rows) {
    const fresh: FactorTensor[] = [];
    const placeOf = new Map<string, number>();
    for (const site of row.sites) {
      const group = groupOf(row, site);
      const why = splitProblem(row.spec, group);
      if (why !== null) fail(badPlan({ why }));
      for (const [factor, name] of factorNames(row, site).entries()) {
        const spec = row.spec.factors[factor]!;
        const shape = shapeOfFactor(row.spec, factor, group);
        const held = found.get(name);
        if (held) {
          const merged = withShape(held, shape);
          found.set(name, merged);
          const at = placeOf.get(name);
          if (at !== undefined) fresh[at] = merged;
          continue;
        }
        const tensor = {
          name,
          row,
          factor,
          spec,
          shape,
          group: spec.share === 'site' || spec.share === 'group' ? group.id : null,
          site: spec.share === 'site' ? site : null,
        };
        found.set(name, tensor);
        placeOf.set(name, fresh.length);
        fresh.push(tensor);
      }
    }
    // the map keeps the order in which names are set first
    for (const { name } of fresh) found.delete(name);
    const ofGroup = ({ spec }: FactorTensor) => spec.share === 'group';
    for (const tensor of [...fresh.filter(ofGroup), ...fresh.filter((each) => !ofGroup(each))])
      found.set(tensor.name, tensor);
  }
  return [...found.values()];
}

function withShape(held: FactorTensor, shape: readonly number[]): FactorTensor {
  if (shape.join() === held.shape.join()) return held;
  if (!held.spec.slice)
    fail(badPlan({ why: `layers share "${held.name}" and need it as [${held.shape}] and as [${shape}]` }));
  return { ...held, shape: held.shape.map((extent, axis) => Math.max(extent, shape[axis]!)) };
}

/** What a layer reads of a factor's tensor: the leading part where layers of several extents share it. */
export function readBy(row: PlanRow, site: SiteRow, factor: number, whole: TensorData): TensorData {
  if (!row.spec.factors[factor]!.slice) return whole;
  return leadingTensor(whole, shapeOfFactor(row.spec, factor, groupOf(row, site)));
}
