import type { FactorSpec } from '../../adapter/description.js';
import { planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow } from '../../adapter/saved-plan.js';
import { word } from '../../options/types.js';
import { CARRIES } from '../../options/words.js';
import { definePass } from '../pipeline.js';
import { requirePlan, withWeights, writePlan } from '../plan/plan.js';
import { carryFactors } from './carry-factors.js';
import { narrowFactors } from './factor-dtype.js';
import { initialFactors } from './initial-factors.js';
import { insertAdapters } from './insert.js';
import { lowerAdapters } from './lower.js';
import { mergeAdapters } from './merge.js';
import { raiseAdapters } from './raise.js';
import { shareFactors } from './share-factors.js';
import { START_NOTE, type StartFactors } from './start-factors.js';
import { stripAdapters } from './strip.js';
import { toFunctions } from './to-functions.js';

/** The adapter passes as a pipeline names them. */

export const insertAdaptersPass = definePass({
  name: 'insert-adapters',
  summary: 'put lotrc::LoTRLinear in place of every layer of the plan, with initial factors',
  requires: ['planned'],
  ensures: ['raised'],
  options: {},
  run(model, _options, ctx) {
    const started = ctx.notes.get(START_NOTE) as StartFactors | undefined;
    const factors = initialFactors(model, (diagnostic) => ctx.report(diagnostic), started);
    insertAdapters(model, factors);
    const { plans } = requirePlan(model, 'count adapters');
    for (const { sites } of plans) {
      ctx.stat(
        'nodes',
        sites.reduce((sum, site) => sum + site.uses.length, 0),
      );
    }
    ctx.stat('factors', planFactors(plans).length);
    return 'changed';
  },
});

export const storeSeededPass = definePass({
  name: 'store-seeded',
  summary: 'make factors that follow from the seed ordinary frozen ones, which files hold',
  requires: ['planned', 'raised'],
  options: {},
  run(model, _options, ctx) {
    const plan = requirePlan(model, 'store factors');
    const seeded = planFactors(plan.plans).filter(({ spec }) => spec.mode === 'seeded').length;
    ctx.stat('factors', seeded);
    if (seeded === 0) return 'unchanged';
    const plans = plan.plans.map((row): PlanRow => {
      const factors = row.spec.factors.map(
        (factor): FactorSpec => ({
          ...factor,
          mode: factor.mode === 'seeded' ? 'frozen' : factor.mode,
        }),
      );
      return { ...row, spec: { ...row.spec, factors } };
    });
    writePlan(model, withWeights({ ...plan, plans }, plan.weights ?? []));
    return 'metadata';
  },
});

export const lowerPass = definePass({
  name: 'lower',
  summary: 'write adapted layers in plain ONNX',
  requires: ['planned', 'raised'],
  ensures: ['lowered'],
  options: {
    form: {
      type: word('form', ['fold', 'token', 'dense']),
      default: 'fold',
      doc: 'fold: (x R)(s M L), for many tokens; token: ((x R)(s M)) L, for few; dense: x (W + s R M L)',
    },
  },
  run(model, { form }) {
    lowerAdapters(model, form);
    return 'changed';
  },
});

export const shareFactorsPass = definePass({
  name: 'share-factors',
  summary: 'one x R for siblings that read the same x and share R',
  requires: ['planned', 'lowered'],
  options: {},
  run(model, _options, ctx) {
    const merged = shareFactors(model);
    ctx.stat('products', merged);
    return merged > 0 ? 'changed' : 'unchanged';
  },
});

export const toFunctionsPass = definePass({
  name: 'to-functions',
  summary: 'write adapted layers as calls of model-local functions in domain lotrc',
  requires: ['planned', 'raised'],
  ensures: ['lowered'],
  options: {},
  run(model) {
    toFunctions(model);
    return 'changed';
  },
});

export const carryFactorsPass = definePass({
  name: 'carry-factors',
  summary: 'carry factors as initializers, required inputs, or optional inputs',
  requires: ['planned'],
  options: {
    form: { type: word('form', CARRIES), default: 'embedded', doc: 'how factors are carried' },
  },
  run(model, { form }) {
    carryFactors(model, form);
    return form === 'embedded' ? 'unchanged' : 'changed';
  },
});

export const narrowFactorsPass = definePass({
  name: 'narrow-factors',
  summary: 'store the factors in half precision where the plan says so',
  requires: ['planned'],
  options: {},
  run(model, _options, ctx) {
    const narrowed = narrowFactors(model);
    ctx.stat('factors', narrowed);
    return narrowed > 0 ? 'changed' : 'unchanged';
  },
});

export const raiseAdaptersPass = definePass({
  name: 'raise-adapters',
  summary: 'bring adapted layers of a rewritten model back to lotrc::LoTRLinear',
  requires: ['planned'],
  ensures: ['raised'],
  options: {},
  run(model) {
    raiseAdapters(model, 'raise');
    return 'changed';
  },
});

export const mergeAdaptersPass = definePass({
  name: 'merge-adapters',
  summary: 'fold the factors into the weights: W + s D',
  requires: ['planned'],
  ensures: ['unplanned', 'lowered'],
  options: {},
  run(model) {
    mergeAdapters(model);
    return 'changed';
  },
});

export const stripAdaptersPass = definePass({
  name: 'strip-adapters',
  summary: 'take the adapters out again',
  requires: ['planned'],
  ensures: ['unplanned', 'lowered'],
  options: {},
  run(model) {
    stripAdapters(model);
    return 'changed';
  },
});
