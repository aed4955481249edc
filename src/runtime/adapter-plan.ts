import { type AdapterSpec, effectiveScale, lettersOfFactor, WRAPS, wrapOf } from '../adapter/description.js';
import { PLAN_KEY } from '../adapter/saved-plan.js';
import { deltaTerm, type Letters, sameTerm } from '../adapter/terms.js';
import { JsonError, parseJson } from '../ir/files/json.js';
import {
  later,
  list,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  SchemaError,
  text,
} from '../ir/files/schema.js';
import { own } from '../ir/keys.js';

/** The part of a saved plan that says what tensors an adapter has and what they are multiplied by. */
interface PlanPart {
  readonly plans: readonly RowPart[];
  readonly weights?: readonly { readonly name: string }[] | undefined;
}

interface RowPart {
  readonly spec: SpecPart;
  readonly seed: number;
  readonly groups: readonly {
    readonly id: string;
    readonly rank: number;
    readonly factors: Readonly<Record<string, string>>;
  }[];
  readonly sites: readonly {
    readonly id: string;
    readonly group: string;
    readonly factors: Readonly<Record<string, string>>;
    readonly uses: readonly { readonly op: string }[];
  }[];
}

type SpecPart = Pick<AdapterSpec, 'delta' | 'scale' | 'scaling' | 'wrap'> & {
  readonly factors: readonly { readonly name: string; readonly share: string; readonly mode: string }[];
};

const factors = record(text);
const planSchema: Schema<PlanPart> = object<PlanPart>({
  plans: list(
    object<RowPart>({
      spec: object<SpecPart>({
        delta: text,
        scale: number,
        scaling: oneOf(['rank', 'sqrt-rank', 'none']),
        wrap: later(oneOf(WRAPS), 'add'),
        factors: list(object<SpecPart['factors'][number]>({ name: text, share: text, mode: text })),
      }),
      seed: number,
      groups: list(object<RowPart['groups'][number]>({ id: text, rank: number, factors })),
      sites: list(
        object<RowPart['sites'][number]>({
          id: text,
          group: text,
          factors,
          uses: list(object<{ readonly op: string }>({ op: text })),
        }),
      ),
    }),
  ),
  weights: optional(list(object<{ readonly name: string }>({ name: text }))),
});

/** A tensor of a plan: which factor of which description it is. */
export interface PlannedFactor {
  readonly row: PlannedRow;
  /** index in the description */
  readonly factor: number;
  readonly letters: Letters;
  readonly seeded: boolean;
  /** what the product of the factors of its layers is multiplied by; null where they differ */
  readonly scale: number | null;
  /** a convolution reads it */
  readonly convolved: boolean;
}

/** One description with the tensors of its factors. */
export interface PlannedRow {
  readonly spec: SpecPart;
  readonly seed: number;
  /** operands of the delta; a further factor is read by the wrap alone */
  readonly operands: number;
  /** of the factors, those that belong to the fewest layers: weights of adapters are put there */
  readonly scaled: number;
}

export interface AdapterPlan {
  readonly factors: ReadonlyMap<string, PlannedFactor>;
  /** weights that were trained in full */
  readonly weights: readonly string[];
}

/** The plan in metadata; null when there is none. Throws a plain Error for one that cannot be read. */
export function planFrom(metadata: string | undefined): AdapterPlan | null {
  if (metadata === undefined) return null;
  let plan: PlanPart;
  try {
    plan = planSchema(parseJson(metadata), '');
  } catch (error) {
    if (error instanceof JsonError || error instanceof SchemaError)
      throw new Error(`its metadata ${PLAN_KEY} cannot be read: ${error.message}`);
    throw error;
  }
  const found = new Map<string, PlannedFactor>();
  for (const each of plan.plans) {
    const { spec, seed, groups, sites } = each;
    const operands = deltaTerm(spec.delta).operands.length;
    const row = { spec, seed, operands, scaled: scaledFactor(spec, operands) };
    const byId = new Map(groups.map((group) => [group.id, group]));
    for (const site of sites) {
      const group = byId.get(site.group);
      if (!group) throw new Error(`its metadata ${PLAN_KEY} cannot be read: "${site.id}" is in no group`);
      const scale = effectiveScale(spec, group.rank);
      const convolved = site.uses.some(({ op }) => op === 'Conv');
      for (const [factor, { name, share, mode }] of spec.factors.entries()) {
        const tensor = own(share === 'group' ? group.factors : site.factors, name);
        if (tensor === undefined) continue;
        const held = found.get(tensor);
        found.set(tensor, {
          row,
          factor,
          letters: lettersOfFactor(spec, factor),
          seeded: mode === 'seeded',
          scale: held && held.scale !== scale ? null : scale,
          convolved: convolved || (held?.convolved ?? false),
        });
      }
    }
  }
  return { factors: found, weights: (plan.weights ?? []).map(({ name }) => name) };
}

/** A factor of each layer by itself, or of its group: the last such one that is not made from a seed. */
function scaledFactor({ factors: all }: SpecPart, operands: number): number {
  const given = [...all.keys()].slice(0, operands).filter((k) => all[k]!.mode !== 'seeded');
  for (const share of ['site', 'group']) {
    const own = given.filter((k) => all[k]!.share === share).at(-1);
    if (own !== undefined) return own;
  }
  return given.at(-1) ?? 0;
}

/** Whether the factors of one description do in another what they do in their own. */
export function sameDescription(a: PlannedRow, b: PlannedRow): boolean {
  return sameTerm(a.spec.delta, b.spec.delta) && wrapOf(a.spec) === wrapOf(b.spec);
}
