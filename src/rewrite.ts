import { PLAN_KEY, type SavedPlan } from './ir/adapter.js';
import { alreadyAdapted } from './ir/codes/adapters.js';
import { type Diagnostic, fail } from './ir/diagnostics.js';
import type { Model } from './ir/model.js';
import type { TensorData } from './ir/tensor.js';
import { type Adapter, checkBase, extractAdapter, planOfAdapter } from './passes/adapters/adapter-file.js';
import { carryFactors } from './passes/adapters/carry-factors.js';
import { insertAdapters } from './passes/adapters/insert.js';
import { lowerAdapters } from './passes/adapters/lower.js';
import { factorData, mergeAdapters } from './passes/adapters/merge.js';
import {
  carryFactorsPass,
  insertAdaptersPass,
  lowerPass,
  shareFactorsPass,
  toFunctionsPass,
} from './passes/adapters/passes.js';
import { readPlan, requirePlan, writePlan } from './passes/adapters/plan.js';
import { shareFactors } from './passes/adapters/share-factors.js';
import { stripAdapters } from './passes/adapters/strip.js';
import { toFunctions } from './passes/adapters/to-functions.js';
import {
  type PassTiming,
  type Pipeline,
  type PipelineHooks,
  pipelineOf,
  runPipeline,
} from './passes/pipeline.js';
import { resolveNames } from './passes/resolve-names.js';
import { selectSitesPass } from './passes/select-sites.js';
import type { SelectOptions } from './passes/sites/plan.js';

/** What to adapt and how; see `SelectOptions` for the choice of layers. */
export interface RewriteOptions extends SelectOptions {
  /** take present adapters out first instead of refusing */
  readonly replace?: boolean;
  readonly hooks?: readonly PipelineHooks[];
  /** prints a model, for reproducers and `--print-ir-after` */
  readonly print?: (model: Model) => string;
}

export interface RewriteResult {
  readonly plan: SavedPlan;
  /** the factors, also when the model takes them as inputs */
  readonly adapter: Adapter;
  readonly diagnostics: readonly Diagnostic[];
  readonly timings: readonly PassTiming[];
  /** the pipeline that ran, as text that parses back */
  readonly pipeline: string;
}

/** The passes of `lotrc rewrite` for these options. */
export function rewritePipeline(options: RewriteOptions): Pipeline {
  const { spec, lowering = 'fold', carry = 'embedded', tie } = options;
  const pairs = (list: SelectOptions['rankPatterns']) =>
    (list ?? []).map(([text, value]) => `${text}=${value}`);
  const select = selectSitesPass({
    rank: options.rank,
    lowering,
    carry,
    target: options.targets ?? ['all-linear'],
    exclude: options.exclude ?? [],
    'rank-pattern': pairs(options.rankPatterns),
    'scale-pattern': pairs(options.scalePatterns),
    ...(spec ? { method: spec } : {}),
    ...(options.layers === undefined ? {} : { layers: options.layers }),
    ...(options.share === undefined ? {} : { share: options.share }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(tie === undefined ? {} : { tie }),
  });
  return pipelineOf([
    resolveNames(tie === undefined ? {} : { tie }),
    select,
    insertAdaptersPass(),
    ...(lowering === 'function' ? [toFunctionsPass()] : [lowerPass({ form: lowering }), shareFactorsPass()]),
    ...(carry === 'embedded' ? [] : [carryFactorsPass({ form: carry })]),
  ]);
}

/**
 * Gives the chosen layers of a model adapters, in place. The model then carries its plan in its metadata and, unless
 * factors are inputs, their initial values; it computes what the base computes as long as a factor is zero.
 * Throws LotrcError when nothing can be chosen, an option does not fit, or the model already carries adapters.
 */
export function rewrite(model: Model, options: RewriteOptions): RewriteResult {
  if (readPlan(model)) {
    if (!options.replace) fail(alreadyAdapted({ doing: 'rewrite' }));
    stripAdapters(model, 'replace');
  }
  const pipeline = rewritePipeline(options);
  const timings: PassTiming[] = [];
  let factors: ReadonlyMap<string, TensorData> = new Map();
  const watch: PipelineHooks = {
    afterPass: (timing, current) => {
      timings.push(timing);
      // once the factors are inputs their values are no longer in the model
      if (timing.pass === 'insert-adapters') factors = factorData(current, new Map());
    },
  };
  const diagnostics = runPipeline(pipeline, model, {
    hooks: [watch, ...(options.hooks ?? [])],
    ...(options.print ? { print: options.print } : {}),
  });
  return {
    plan: requirePlan(model, 'rewrite'),
    adapter: extractAdapter(model, factors),
    diagnostics,
    timings,
    pipeline: pipeline.toString(),
  };
}

/** Folds the adapters of a rewritten model into its weights, in place. `adapter` gives factors that the model lacks. */
export function merge(model: Model, adapter?: Adapter): void {
  mergeAdapters(model, adapter?.tensors);
}

/** The adapter of a rewritten model; `adapter` gives factors that the model takes as inputs. */
export function extract(model: Model, adapter?: Adapter): Adapter {
  return extractAdapter(model, adapter?.tensors);
}

/** Takes the adapters out of a rewritten model, in place: the base comes back bit for bit. */
export function strip(model: Model): void {
  stripAdapters(model);
}

/**
 * Puts an adapter onto its base model, in place, in the form that its plan asks for. On a model that already carries
 * the same plan the factors are exchanged. Throws LOTR3301 when the base is another one.
 */
export function apply(model: Model, adapter: Adapter, file = '<adapter>'): SavedPlan {
  const plan = planOfAdapter(adapter, file);
  const present = readPlan(model);
  if (present) {
    if (model.metadata.get(PLAN_KEY) !== JSON.stringify(plan)) fail(alreadyAdapted({ doing: 'apply' }));
    stripAdapters(model, 'apply');
  }
  checkBase(model, plan);
  writePlan(model, plan);
  insertAdapters(model, adapter.tensors);
  const [row] = plan.plans;
  const lowering = row?.lowering ?? 'fold';
  if (lowering === 'function') toFunctions(model);
  else {
    lowerAdapters(model, lowering);
    shareFactors(model);
  }
  if (row && row.carry !== 'embedded') carryFactors(model, row.carry);
  return plan;
}

export type { Adapter } from './passes/adapters/adapter-file.js';
