import { type AdapterSpec, effectiveScale } from '../../adapter/description.js';
import { LORA } from '../../adapter/methods/lora.js';
import { LOTR } from '../../adapter/methods/lotr.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import { hasFormOf } from '../../adapter/same-form.js';
import type { PlanRow, SavedPlan, SiteRow } from '../../adapter/saved-plan.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { outputsByName } from '../../passes/plan/plan.js';
import { alphaOf } from '../../passes/sites/base-attrs.js';
import { optimizerDef, type Projection } from '../../train/optimizers/index.js';
import type { ChangeRow } from '../../train/signature.js';
import { noWholeChange } from '../codes/training-loss.js';
import type { TrainOptions } from './options.js';

/** Adapters whose change is a product of matrices of the form that a projection gives. */
const FORMS: Readonly<Record<Projection, { readonly as: AdapterSpec; readonly text: string }>> = {
  'low-rank': { as: LORA, text: 'two factors of its own, as lora' },
  tucker: { as: LOTR, text: 'a core between two factors that layers share, as lotr' },
};

/** Numbers in all changes together: a step needs about 40 bytes for each. */
export const MOST_CHANGED = 2 ** 26;

/** How the change of a layer is called. */
const changeName = ({ spec }: PlanRow, { id }: SiteRow): string => `${spec.method}/${id}/change`;

/**
 * The whole changes of weights that an optimizer with a projection steps in place of factors, one for each layer; none for other
 * optimizers. Throws LOTR5026 for adapters that have another form, and for more numbers than {@link MOST_CHANGED}.
 */
export function wholeChanges(plans: readonly PlanRow[], options: TrainOptions): readonly ChangeRow[] {
  const { optimizer, train, lrMultipliers, keepFunctions, loop, baseDtype } = options;
  const def = optimizerDef(optimizer.kind);
  if (def.arithmetic !== 'projected') return [];
  const refuse = (why: string, hint: string): never => fail(noWholeChange({ kind: def.kind, why, hint }));
  if (loop !== null) refuse('K steps of one run have no projection between them', 'leave out --loop');
  if (keepFunctions) refuse('functions of layers have no whole change', 'leave out --keep-functions');
  if (baseDtype === 'int8') refuse('the weights with their changes are float32', 'leave out --base-dtype');
  if (train || Object.keys(lrMultipliers).length > 0)
    refuse(
      'factors have no steps of their own',
      'leave out --train and --lr-multiplier; --group fits changes',
    );
  const form = FORMS[def.projection];
  const rows = plans.flatMap((plan) => {
    const { spec } = plan;
    const fits =
      hasFormOf(spec, form.as) &&
      spec.factors.every(
        ({ mode, slice, lrMultiplier }) => mode === 'trainable' && !slice && lrMultiplier === 1,
      );
    if (!fits)
      refuse(
        `each layer needs ${form.text}, all trained at one rate, and the method ${spec.method} is ` +
          `${spec.delta} (${spec.factors.map(({ name, share, mode }) => `${name}: ${share}, ${mode}`).join('; ')})`,
        'rewrite the model with another method, or choose another optimizer',
      );
    if (spec.scale === 0) refuse(`${spec.method} has the scale 0`, 'rewrite the model with another scale');
    return plan.sites.map((site): ChangeRow => {
      const { in: inn, out, rank } = groupOf(plan, site);
      return {
        name: changeName(plan, site),
        shape: [inn, out],
        factors: factorNames(plan, site),
        scale: Math.fround(effectiveScale(spec, rank)),
        lrMultiplier: 1,
      };
    });
  });
  const size = rows.reduce((sum, { shape: [inn, out] }) => sum + inn * out, 0);
  if (size > MOST_CHANGED)
    refuse(
      `the changes of ${rows.length} layers have ${size} numbers, and ${MOST_CHANGED} is the most`,
      'adapt fewer layers, or choose another optimizer',
    );
  return rows;
}

/** Names of all changes of a plan. */
export const changeNames = ({ plans }: SavedPlan): readonly string[] =>
  plans.flatMap((plan) => plan.sites.map((site) => changeName(plan, site)));

/** The changes of the layers of a model as values of its graph, found while the layers are written. */
export class Changes {
  readonly #model: Model;
  /** of the optimizer */
  readonly #kind: string;
  readonly #names = new Map<Node, string>();
  readonly #found = new Map<string, Value>();

  constructor(model: Model, { plans }: SavedPlan, kind: string) {
    this.#kind = kind;
    this.#model = model;
    const outputs = outputsByName(model);
    for (const plan of plans) {
      for (const site of plan.sites) {
        for (const { output } of site.uses) {
          const node = outputs.get(output)?.producer;
          if (node) this.#names.set(node, changeName(plan, site));
        }
      }
    }
  }

  /** What `lowerAdapters` tells. Throws LOTR5026 when the nodes of a layer have different changes. */
  readonly take = (layer: Node, change: Value): void => {
    const name = this.#names.get(layer);
    if (name === undefined) return;
    if ((this.#found.get(name) ?? change) !== change || alphaOf(layer) !== 1) {
      const why = `the weight of ${name.replace(/\/change$/, '')} is read with a factor of its own (the alpha of a Gemm)`;
      fail(
        noWholeChange({ kind: this.#kind, why, hint: 'leave the layer out, or choose another optimizer' }),
      );
    }
    this.#found.set(name, change);
  };

  /** Makes each change an output under its name, which passes keep. */
  publish(): void {
    const { graph } = this.#model;
    for (const [name, value] of this.#found) {
      value.rename(graph.own(name) ? graph.names.freshValue(name) : name);
      graph.addOutput(value);
    }
  }
}
