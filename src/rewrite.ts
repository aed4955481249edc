import { planFactors } from './adapter/plan-factors.js';
import type { Carry, Lowering, PlanRow, SavedPlan } from './adapter/saved-plan.js';
import { alreadyAdapted, factorsMissing } from './ir/codes/adapters.js';
import { conflict } from './ir/codes/sites.js';
import { type Diagnostic, fail } from './ir/diagnostics.js';
import type { Model } from './ir/model.js';
import type { TensorData } from './ir/tensor.js';
import { requireFit } from './options/check.js';
import { type GivenOf, pick } from './options/define.js';
import { APPLY, FORM } from './options/sets/adapters.js';
import {
  type Adapter,
  checkBase,
  extractAdapter,
  planOfAdapter,
  weightsFor,
} from './passes/adapters/adapter-file.js';
import { type DifferenceSource, differencePass } from './passes/adapters/difference.js';
import { narrowedFactor } from './passes/adapters/factor-dtype.js';
import { baseNode, insertAdapters } from './passes/adapters/insert.js';
import { type LoftqSource, loftqPass } from './passes/adapters/loftq.js';
import { dtypeOf } from './passes/adapters/lower.js';
import { type MatchedLayer, matchByPath } from './passes/adapters/match-path.js';
import { factorData, mergeAdapters } from './passes/adapters/merge.js';
import {
  carryFactorsPass,
  insertAdaptersPass,
  lowerPass,
  mergeAdaptersPass,
  narrowFactorsPass,
  shareFactorsPass,
  storeSeededPass,
  stripAdaptersPass,
  toFunctionsPass,
} from './passes/adapters/passes.js';
import { raiseAdapters } from './passes/adapters/raise.js';
import { withSeeded } from './passes/adapters/seeded-factors.js';
import { startPass } from './passes/adapters/start-factors.js';
import { stripAdapters } from './passes/adapters/strip.js';
import { placeWeights, requireBaseWeights, weightsOfFile } from './passes/adapters/trained-weights.js';
import type { BoundPass } from './passes/pass.js';
import {
  type PassTiming,
  type Pipeline,
  type PipelineHooks,
  pipelineOf,
  runPipeline,
  startJob,
  type WatchOptions,
} from './passes/pipeline.js';
import { outputsByName, planIn, readPlan, requirePlan, withWeights, writePlan } from './passes/plan/plan.js';
import { requireData } from './passes/require-data.js';
import { resolveNames } from './passes/resolve-names.js';
import { selectSitesPass } from './passes/select-sites.js';
import { halfOf, refuseFedHalf } from './passes/sites/half-factors.js';
import type { SelectOptions } from './passes/sites/plan.js';
import { stacksNamed, stacksOf } from './passes/unpack/stacks.js';
import { unpackLayers, unpackPass } from './passes/unpack/unpack.js';

/** What to adapt and how; see `SelectOptions` for the choice of layers. */
export interface RewriteOptions extends SelectOptions {
  /** take present adapters out first instead of refusing */
  readonly replace?: boolean;
  /** factors start by LoftQ, from the weights of the float model that this quantised one was made of */
  readonly loftq?: LoftqSource;
  /** factors start as what another model of the same network has learnt */
  readonly difference?: DifferenceSource;
  /** values that factors start with, by the names of their tensors; others start as the method says */
  readonly start?: ReadonlyMap<string, TensorData>;
  /** factors that follow from the seed are stored, or inputs, as frozen ones are */
  readonly storeSeeded?: boolean;
  readonly hooks?: readonly PipelineHooks[];
  /** prints a model, for reproducers and `--print-ir-after` */
  readonly print?: (model: Model) => string;
  /** loads the model again as it was given, so that a reproducer is printed only when one is needed */
  readonly reload?: () => Model;
}

export interface RewriteResult {
  readonly plan: SavedPlan;
  /** the factors, also when the model takes them as inputs */
  readonly adapter: Adapter;
  readonly diagnostics: readonly Diagnostic[];
  readonly timings: readonly PassTiming[];
  /** the pipeline that ran, as text that parses back but for `loftq`, `difference` and `start`, which need more than text */
  readonly pipeline: string;
}

/**
 * The passes of `lotrc rewrite` for these options; those that make the plan when it is made without the weights. `stacks`:
 * module paths of the stacked weights that are adapted, which depend on the model.
 */
export function rewritePipeline(
  options: RewriteOptions,
  stacks: readonly string[] = [],
  planOnly = options.withoutData ?? false,
): Pipeline {
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
    ...(options.factorDType === undefined ? {} : { 'factor-dtype': options.factorDType }),
    ...(options.withoutData ? { 'without-data': true } : {}),
  });
  const choose = [unpackPass({ stacks }), resolveNames(tie === undefined ? {} : { tie }), select];
  if (planOnly) return pipelineOf(choose);
  return pipelineOf([
    ...choose,
    ...(options.loftq ? [loftqPass(options.loftq)] : []),
    ...(options.difference ? [differencePass(options.difference)] : []),
    ...(options.start ? [startPass(options.start)] : []),
    insertAdaptersPass(),
    ...(options.storeSeeded ? [storeSeededPass()] : []),
    ...formPasses(lowering, carry, options.factorDType === 'model'),
  ]);
}

/** Unpacks a model and chooses its layers, in place, as `rewrite` begins. */
export function planLayers(model: Model, options: RewriteOptions): SavedPlan {
  requireData(model);
  const stacks = stacksNamed(model, options.targets ?? []);
  runPipeline(rewritePipeline(options, stacks, true), model, {});
  return requirePlan(model, 'plan');
}

/** The passes that write adapted layers for a runtime. */
function formPasses(lowering: Lowering | 'function', carry: Carry, narrows = true): readonly BoundPass[] {
  return [
    ...(lowering === 'function' ? [toFunctionsPass()] : [lowerPass({ form: lowering }), shareFactorsPass()]),
    ...(narrows ? [narrowFactorsPass({})] : []),
    ...(carry === 'embedded' ? [] : [carryFactorsPass({ form: carry })]),
  ];
}

/** Facts of steps that need what a command was given, and so are not passes by name. */
const STRIPS = { requires: stripAdaptersPass.requires, ensures: stripAdaptersPass.ensures };
const INSERTS = { ensures: insertAdaptersPass.ensures };
const MERGES = { requires: mergeAdaptersPass.requires, ensures: mergeAdaptersPass.ensures };

/**
 * Gives the chosen layers of a model adapters, in place. The model then carries its plan in its metadata and, unless
 * factors are inputs, their initial values; it computes what the base computes as long as a factor is zero.
 * Throws LotrcError when nothing can be chosen, an option does not fit, the model already carries adapters, or a data file
 * is missing (LOTR1102). With `withoutData` it stops at the plan: the model is then no adapted one, and the adapter is empty.
 */
export function rewrite(model: Model, options: RewriteOptions): RewriteResult {
  if (readPlan(model)) {
    if (!options.replace) fail(alreadyAdapted({ doing: 'rewrite' }));
    stripAdapters(model, 'replace');
  }
  if (!options.withoutData) requireData(model);
  const pipeline = rewritePipeline(options, stacksNamed(model, options.targets ?? []));
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
    verifyEach: options.reload === undefined,
    ...(options.print ? { print: options.print } : {}),
    ...(options.reload ? { reload: () => withoutAdapters(options.reload!()) } : {}),
  });
  return {
    plan: requirePlan(model, 'rewrite'),
    adapter: options.withoutData ? { tensors: new Map(), metadata: {} } : extractAdapter(model, factors),
    diagnostics,
    timings,
    pipeline: pipeline.toString(),
  };
}

function withoutAdapters(model: Model): Model {
  if (readPlan(model)) stripAdapters(model, 'replace');
  return model;
}

/**
 * Folds the adapters of a rewritten model into its weights, in place. `adapter` gives factors that the model lacks, or
 * that count instead of its own; when its plan has another rank, scale or choice of layers it replaces the model's.
 * Weights that it holds in full take the place of those of the base before that. Returns the plan that was merged.
 */
export function merge(
  model: Model,
  adapter?: Adapter,
  file = '<adapter>',
  watch: WatchOptions = {},
): SavedPlan {
  requireData(model);
  const present = requirePlan(model, 'merge');
  const job = startJob(model, watch);
  if (!adapter) {
    job.run(mergeAdaptersPass(), model);
    return present;
  }
  const own = planIn(adapter.metadata);
  if (own && !sameWork(present, own)) {
    const plan = planOfAdapter(adapter, file);
    job.step('strip-adapters', model, () => stripAdapters(model, 'merge'), STRIPS);
    job.step('insert-adapter-file', model, () => insert(model, plan, adapter, file), INSERTS);
    const placed = requirePlan(model, 'merge');
    job.run(mergeAdaptersPass(), model);
    return placed;
  }
  if (!own) refuseStrangers(present, adapter);
  const rows = weightsOfFile(model, own, adapter.tensors, file);
  // a file without a plan may hold some of the tensors only
  if (own) requireBaseWeights(present, rows, 'merge');
  const plan = job.step('place-weights', model, () => placeWeights(model, present, rows, adapter.tensors));
  job.step('merge-adapters', model, () => mergeAdapters(model, adapter.tensors), MERGES);
  return plan;
}

/** Whether two plans adapt the same layers in the same way, however they are written in the graph. */
function sameWork(a: SavedPlan, b: SavedPlan): boolean {
  const essence = ({ plans }: SavedPlan) =>
    // written in one order: a form that was chosen later is the last field
    JSON.stringify(
      plans.map(({ carry: _carry, lowering: _lowering, factorDType, ...row }) => ({ ...row, factorDType })),
    );
  return essence(a) === essence(b);
}

/** A file without a plan is taken at its tensors' names, so at least one must be a factor's. */
function refuseStrangers(plan: SavedPlan, adapter: Adapter): void {
  const names = planFactors(plan.plans).map(({ name }) => name);
  if (!names.some((name) => adapter.tensors.has(name)))
    fail(factorsMissing({ names, from: 'the adapter file' }));
}

/** The adapter of a rewritten model, with the weights that were trained in full; `adapter` gives factors that it takes as inputs. */
export function extract(model: Model, adapter?: Adapter, file = '<adapter>'): Adapter {
  if (!adapter) return extractAdapter(model);
  const rows = weightsOfFile(model, planIn(adapter.metadata), adapter.tensors, file);
  return extractAdapter(model, adapter.tensors, rows);
}

/** Takes the adapters out of a rewritten model, in place: the base comes back bit for bit. */
export function strip(model: Model, watch: WatchOptions = {}): void {
  requirePlan(model, 'strip');
  startJob(model, watch).run(stripAdaptersPass(), model);
}

/** Options of {@link apply} whose values are those of the command line. */
const APPLIED = { ...pick(FORM, 'carry', 'factorDType'), ...pick(APPLY, 'match') };

/** How `apply` writes the adapted layers: `carry`, `factorDType` and `match` as of `lotrc apply`. */
export interface ApplyOptions extends GivenOf<typeof APPLIED>, WatchOptions {
  /** default `fold` */
  readonly lowering?: Lowering | 'function' | undefined;
  /** told which layers were found when they are matched by path */
  readonly matched?: ((layers: readonly MatchedLayer[]) => void) | undefined;
  /** what messages call the adapter */
  readonly file?: string | undefined;
}

/**
 * Puts an adapter onto its base model, in place. On a model that already carries the same plan the factors are exchanged.
 * Weights that the adapter holds in full take the place of those of the base, and the plan of the model names them.
 * Returns the plan that the model then carries. Throws LOTR3301 and LOTR3311 when the base is another one, LOTR3305
 * when a layer that is matched by path is missing, LOTR3210 when
 * the model holds a trained weight that the adapter leaves as in the base, LOTR3007 when factors that the caller feeds are
 * to be stored in half precision.
 */
export function apply(model: Model, adapter: Adapter, options: ApplyOptions = {}): SavedPlan {
  const { carry = 'embedded', lowering = 'fold', file = '<adapter>' } = options;
  requireFit(APPLIED, options);
  requireData(model);
  const own = planOfAdapter(adapter, file);
  const job = startJob(model, options);
  const present = readPlan(model);
  if (present && !sameWork(present, own)) fail(alreadyAdapted({ doing: 'apply' }));
  // a base whose weights were replaced cannot be restored: factors and weights change where they are
  if (present && (present.plans.some(({ residual }) => residual) || present.weights)) {
    job.step('exchange-factors', model, () => exchange(model, present, own, adapter, options), INSERTS);
  } else {
    if (present) job.step('strip-adapters', model, () => stripAdapters(model, 'apply'), STRIPS);
    job.step('unpack', model, () => unpackLayers(model, stacksOf(own)));
    let given = own;
    if (options.match === 'path') {
      const { plan, matched } = matchByPath(model, own);
      given = plan;
      options.matched?.(matched);
    }
    const formed = inForm(model, given, options);
    job.step('insert-adapter-file', model, () => insert(model, formed, adapter, file), INSERTS);
  }
  for (const pass of formPasses(lowering, carry)) job.run(pass, model);
  return requirePlan(model, 'apply');
}

/** The plan with the form that the options ask for in every row. */
function inForm(model: Model, plan: SavedPlan, options: ApplyOptions): SavedPlan {
  const { carry = 'embedded', lowering = 'fold', factorDType } = options;
  const rows = plan.plans.map(({ factorDType: planned, ...row }): PlanRow => {
    const half =
      factorDType === 'model' ? halfOf(layerDTypes(model, row)) : factorDType === 'f32' ? null : planned;
    if (factorDType === 'model') refuseFedHalf(half ?? null, carry);
    const kept = carry === 'embedded' && half ? { factorDType: half } : {};
    return { ...row, carry, lowering, ...kept };
  });
  return { ...plan, plans: rows };
}

/** Element types that the layers of a plan row compute in. */
function layerDTypes(model: Model, row: PlanRow): readonly string[] {
  const outputs = outputsByName(model);
  return row.sites.flatMap((site) =>
    site.uses.map((use) => {
      const { w } = baseNode(outputs, site, use);
      return dtypeOf(w!);
    }),
  );
}

function insert(model: Model, plan: SavedPlan, adapter: Adapter, file: string): void {
  checkBase(model, plan);
  const bare = withWeights(plan, []);
  writePlan(model, bare);
  insertAdapters(model, withSeeded(plan, adapter.tensors));
  placeWeights(model, bare, weightsOfFile(model, plan, adapter.tensors, file), adapter.tensors);
}

/**
 * Gives an adapted model the factors and trained weights of an adapter file where the model stores them; what it takes as
 * inputs stays an input. Throws as `apply` does.
 */
export function placeAdapter(model: Model, adapter: Adapter, file = '<adapter>'): void {
  const present = requirePlan(model, 'use an adapter file');
  const rows = weightsFor(model, present, adapter, file, 'use that adapter');
  placeWeights(
    model,
    present,
    rows.filter(({ places }) => !places.some(({ tensor }) => model.graph.own(tensor)?.isInput)),
    adapter.tensors,
  );
  const stored = planFactors(present.plans).filter(({ name }) => !model.graph.own(name)?.isInput);
  replaceFactors(
    model,
    stored.map(({ name }) => name),
    adapter,
  );
}

/** Embeds an adapter's factors, and weights that it holds in full, in place of those of the same names. */
function exchange(
  model: Model,
  present: SavedPlan,
  wanted: SavedPlan,
  adapter: Adapter,
  { carry = 'embedded', factorDType, file = '<adapter>' }: ApplyOptions,
): void {
  if (factorDType === 'model' && present.plans.some((row) => !row.factorDType)) {
    const why = 'the model carries this adapter with factors in float32 already';
    fail(conflict({ options: '--factor-dtype model', why, hint: 'apply the adapter to the base model' }));
  }
  const rows = weightsOfFile(model, wanted, adapter.tensors, file);
  requireBaseWeights(present, rows, 'apply');
  const plan = placeWeights(model, present, rows, adapter.tensors);
  raiseAdapters(model, 'apply');
  replaceFactors(
    model,
    planFactors(present.plans).map(({ name }) => name),
    adapter,
  );
  const wide = factorDType === 'f32' || carry !== 'embedded';
  const plans = plan.plans.map(({ factorDType: half, ...row }): PlanRow => {
    const kept = half && !wide ? { factorDType: half } : {};
    return { ...row, carry: 'embedded', ...kept };
  });
  writePlan(model, { ...plan, plans });
}

function replaceFactors(model: Model, names: readonly string[], adapter: Adapter): void {
  const plan = planIn(adapter.metadata);
  const tensors = plan ? withSeeded(plan, adapter.tensors) : adapter.tensors;
  for (const name of names) {
    const value = model.graph.own(name);
    const given = tensors.get(name) ?? fail(factorsMissing({ names: [name], from: 'the adapter file' }));
    const half = value?.constant?.dtype;
    const data = half === 'f16' || half === 'bf16' ? narrowedFactor(given, half) : given;
    if (value?.isInput) model.graph.embedInput(value, data);
    else if (value?.constant) value.setConstant(data);
  }
}

export type { Adapter } from './passes/adapters/adapter-file.js';
