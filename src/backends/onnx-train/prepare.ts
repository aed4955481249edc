import type { PlanRow, SavedPlan, WeightRow } from '../../adapter/saved-plan.js';
import { baseGone } from '../../ir/codes/adapters.js';
import { constantTensor } from '../../ir/constants.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { isFloat } from '../../ir/dtype.js';
import { type Graph, type Model, type Node, nodePath, type Value } from '../../ir/model.js';
import { adaptedGradientProblem } from '../../ir/ops/lotr-linear.js';
import type { TensorData } from '../../ir/tensor.js';
import { topologicalOrder } from '../../ir/topo.js';
import { hasAdapted } from '../../passes/adapters/adapted-node.js';
import { copyBase } from '../../passes/adapters/base-copy.js';
import { lowerAdapters, trainingForm } from '../../passes/adapters/lower.js';
import { raiseAdapters } from '../../passes/adapters/raise.js';
import { shareFactors } from '../../passes/adapters/share-factors.js';
import { tensorNamesOf } from '../../passes/adapters/trained-weights.js';
import { unfold } from '../../passes/adapters/unfold.js';
import { canonicalise } from '../../passes/canonicalise/canonicalise.js';
import { removeDead } from '../../passes/dce.js';
import { decompose } from '../../passes/decompose/decompose.js';
import { dependents } from '../../passes/dependents.js';
import { bypassDropout, drawingFunctions, dropoutOff, findDraws } from '../../passes/dropout/find.js';
import { inferShapes } from '../../passes/infer-shapes.js';
import { calledBy, inlineCalls } from '../../passes/inline/inline.js';
import { narrowRows } from '../../passes/narrow/narrow-rows.js';
import type { PassRunner } from '../../passes/pipeline.js';
import { requirePlan } from '../../passes/plan/plan.js';
import { lossFacts } from '../../train/losses/facts.js';
import { lossDef } from '../../train/losses/index.js';
import { logitsRank, noLogits, uselessOption } from '../codes/training.js';
import { dropoutInLoop } from '../codes/training-loss.js';
import { Changes, changeNames } from './changes.js';
import { hasKernel } from './legality.js';
import { type Head, headProblem } from './losses.js';
import { type TermOptions, type TrainOptions, termsOf } from './options.js';
import { type FullWeight, fullWeights, type Param, trainable, uniteWeights } from './params.js';

/** A forward graph ready for a loss: adapters in the folded form or kept as they are, embedded, types inferred. */
export interface Prepared {
  readonly model: Model;
  /** runs the passes of this graph */
  readonly job: PassRunner;
  readonly plans: readonly PlanRow[];
  /** the outputs that losses are computed from, in the order of the losses */
  readonly heads: readonly Head[];
}

/** What training starts from, and what is trained. */
export interface Start {
  readonly factors: ReadonlyMap<string, TensorData>;
  readonly weights: readonly FullWeight[];
  readonly params: readonly Param[];
}

/** The parts of the model that stay in addition to those that a loss needs. */
export interface Keep {
  /** all outputs of the model */
  readonly outputs?: boolean;
  /** for gradients: Dropout in training mode, unless the options say that it is off, and norms that are constants to them */
  readonly gradients?: boolean;
  /** the change of the weight of each layer, as an output under its name */
  readonly changes?: boolean;
}

/**
 * The weights that training starts from as parameters of their own; see `fullWeights`. `trained`: rows of the adapter's
 * plan. Takes the model apart.
 */
export function chooseWeights(
  model: Model,
  factors: ReadonlyMap<string, TensorData>,
  trained: readonly WeightRow[],
  options: TrainOptions,
  report: (diagnostic: Diagnostic) => void,
): readonly FullWeight[] {
  raiseAdapters(model, 'emit training graphs');
  embed(model.graph, factors);
  liftConstants(model, options, tensorNamesOf(trained));
  if (options.alsoTrain.length > 0) unfold(model, () => true);
  // before adapters are lowered, which adds constants of lotrc
  const own = new Set([...model.graph.initializers.keys()].filter((name) => !factors.has(name)));
  lowerAdapters(model, 'fold');
  return fullWeights(model, own, trained, options, report);
}

/**
 * Brings a rewritten model into the form that training graphs are built from: folded adapters (by token where that makes
 * gradients cheaper, except in the graph that keeps the outputs), weights of Constant nodes as initializers (only those can be referred to), and, unless outputs are kept, only what the logits need: one row after a
 * Gather of one token. Dropout in training mode stays where gradients are wanted, and is left out elsewhere. Throws
 * LOTR5021 for Dropout in a loop.
 */
export function prepare(
  model: Model,
  { factors, weights, params }: Start,
  options: TrainOptions,
  { outputs: keepOutputs = false, gradients = false, changes = false }: Keep,
  job: PassRunner,
): Prepared {
  const plan = requirePlan(model, 'emit training graphs');
  const trained = new Set(trainable(params).map(({ row }) => row.name));
  // weights that are trained in full have their own names only after `uniteWeights`
  const starts = weights.some((weight) => weight.trainable) ? undefined : [...trained];
  job.step(
    'raise-adapters',
    model,
    () => {
      raiseAdapters(model, 'emit training graphs');
      embed(model.graph, factors);
    },
    { requires: ['planned'], ensures: ['raised'] },
  );
  const distils = !keepOutputs && termsOf(options).some(({ kind }) => lossFacts(kind).teacher);
  if (distils) requireBase(plan, weights);
  const teachers = distils ? job.step('copy-base', model, () => copyBase(model)) : null;
  const places = tensorNamesOf(weights.map(({ row }) => row));
  job.step('unfold', model, () => unfold(model, (name, source) => places.has(name) || places.has(source)));
  job.step('lower', model, () => {
    const chosen = options.keepFunctions ? hasNoFunction : () => true;
    const norms = gradients ? 'detached' : 'plain';
    const formOf = (layer: Node) =>
      changes ? 'dense' : keepOutputs ? 'fold' : trainingForm(layer, (factor) => trained.has(factor));
    const found = changes ? new Changes(model, plan, options.optimizer.kind) : null;
    for (const form of ['fold', 'token', 'dense'] as const)
      lowerAdapters(model, form, (layer) => chosen(layer) && formOf(layer) === form, norms, found?.take);
    found?.publish();
    if (options.keepFunctions) requireFunctions(model);
  });
  job.step('share-factors', model, () => shareFactors(model));
  if (!gradients || options.dropout === 'off') job.step('dropout-off', model, () => dropoutOff(model));
  if (!keepOutputs) job.step('inline', model, () => inlineTrained(model, starts));
  const { repeated } = findDraws(model);
  const [first] = repeated;
  if (first) {
    const at = { kind: 'node', path: nodePath(first), op: first.opKey } as const;
    fail(dropoutInLoop({ at, count: repeated.length }));
  }
  job.step('bypass-dropout', model, () => bypassDropout(model));
  job.step('lift-weights', model, () => {
    liftConstants(model, options, places);
    uniteWeights(model, weights);
  });
  job.step('infer-shapes', model, () => inferShapes(model));
  const shown = changes ? changeNames(plan) : [];
  const heads = chooseHeads(
    model.graph,
    options,
    new Set([...(teachers?.values() ?? []), ...shown]),
    teachers,
  );
  const read = new Set(heads.flatMap(({ value, teacher }) => (teacher ? [value, teacher] : [value])));
  if (!keepOutputs) {
    job.step('choose-outputs', model, () => {
      const stays = new Set(shown);
      for (const output of [...model.graph.outputs])
        if (!read.has(output) && !stays.has(output.name)) model.graph.removeOutput(output);
      removeDead(model);
    });
    job.step('decompose', model, () => decompose(model, starts));
    const everywhere = (op: string, opset: number) => options.ep.every((ep) => hasKernel(ep, op, opset));
    job.step('canonicalise', model, () => canonicalise(model, everywhere));
    job.step('narrow-rows', model, () => narrowRows(model));
  }
  return { model, job, plans: plan.plans, heads };
}

/** Whether a layer is written in plain ONNX although functions are kept: its gradient has none. */
const hasNoFunction = (layer: Node): boolean => adaptedGradientProblem(layer) !== null;

function requireFunctions(model: Model): void {
  if (hasAdapted(model)) return;
  fail(
    uselessOption({
      option: '--keep-functions',
      why: 'no adapted layer is a MatMul or a Gemm to whose weight a product of its factors is added, which alone have functions for their gradients',
      hint: 'leave it out',
    }),
  );
}

/**
 * Calls of model-local functions that a gradient must pass become their bodies, and calls in which Dropout draws masks;
 * below the lowest adapter the others stay.
 */
function inlineTrained(model: Model, trained: readonly string[] | undefined): void {
  if (model.functions.size === 0) return;
  const order = topologicalOrder(model.graph);
  const passed = new Set(trained ? dependents(model.graph, order, trained) : order);
  const outside = new Set(order.filter((node) => !passed.has(node)));
  const drawing = drawingFunctions(model);
  inlineCalls(model, (call) => {
    const called = calledBy(model, call);
    return !outside.has(call) || (called !== null && drawing.has(called));
  });
}

/**
 * Factors that the model takes as inputs become initializers again: every form of carrying starts from there. Factors of
 * an adapter file count instead of those that the model holds.
 */
function embed(graph: Graph, factors: ReadonlyMap<string, TensorData>): void {
  for (const [name, data] of factors) {
    const value = graph.own(name);
    if (value?.isInput) graph.embedInput(value, data);
    else if (value?.constant) value.setConstant(data);
  }
}

/** Weights from 1 KiB on in Constant nodes become initializers; smaller ones where weights are trained. */
function liftConstants(model: Model, { alsoTrain }: TrainOptions, places: ReadonlySet<string>): void {
  for (const node of model.graph.nodes) {
    const held = constantTensor(node);
    if (!held) continue;
    const { byteLength, dtype, shape } = held;
    const asked = alsoTrain.length > 0 && dtype === 'f32' && shape.length > 0;
    const trains = asked || places.has(node.outputs[0]!.name);
    if (byteLength < 1024 && !trains) continue;
    const output = node.outputs[0]!;
    if (output.isOutput) continue;
    const { name } = output;
    output.rename(model.graph.names.freshValue(`${name}/constant`));
    const lifted = model.graph.addInitializer(name, held);
    output.replaceAllUsesWith(lifted);
    model.graph.erase(node);
  }
}

function chooseHeads(
  graph: Graph,
  options: TrainOptions,
  /** outputs that are not of the model */
  copies: ReadonlySet<string>,
  /** null: the graph has no loss */
  teachers: ReadonlyMap<string, string> | null,
): readonly Head[] {
  return termsOf(options).map((term) => {
    const value = chooseOutput(graph, term, copies);
    const why = headProblem(value, options, term);
    if (why !== null) fail(logitsRank({ name: value.name, why }));
    const name = lossFacts(term.kind).teacher ? teachers?.get(value.name) : undefined;
    const teacher = graph.outputs.find((output) => output.name === name) ?? null;
    if (lossFacts(term.kind).teacher && teachers && !teacher)
      fail(logitsRank({ name: value.name, why: 'it depends on no adapter' }));
    return { term, value, teacher, mask: chooseMask(graph, value, term, options) };
  });
}

/** Throws where the base, which is the teacher, is not in the model any more. */
function requireBase({ plans }: SavedPlan, weights: readonly FullWeight[]): void {
  if (plans.some(({ residual }) => residual))
    fail(baseGone({ doing: 'distil from the base', why: 'residual' }));
  const scaled = plans.find(({ spec }) => spec.scaleBias);
  if (scaled) {
    fail(
      uselessOption({
        option: '--loss',
        why: `the teacher is the base, whose biases the method ${scaled.spec.method} scales`,
        hint: "give the teacher's logits with --loss kl",
      }),
    );
  }
  if (weights.length === 0) return;
  fail(
    uselessOption({
      option: '--loss',
      why: 'the teacher is the base, whose weights must not be trained',
      hint: "leave out --also-train, or give the teacher's logits with --loss kl",
    }),
  );
}

/** The output of that name, or the only one that is a candidate. Throws LOTR5001. */
function chooseOutput(graph: Graph, { kind, output }: TermOptions, copies: ReadonlySet<string>): Value {
  const floats = graph.outputs.filter(
    ({ name, type }) => !copies.has(name) && type?.kind === 'tensor' && isFloat(type.dtype),
  );
  const found = floats.map(({ name }) => name);
  if (output !== undefined) {
    return floats.find(({ name }) => name === output) ?? fail(noLogits({ found, wanted: output }));
  }
  const single = ({ type }: Value) => type?.kind === 'tensor' && type.shape?.every((dim) => dim === 1);
  const candidates = lossFacts(kind).labels === 'own' ? floats.filter(single) : floats;
  return candidates.length === 1 ? candidates[0]! : fail(noLogits({ found, wanted: null }));
}

/** The input that says which positions of [rows, T, D] count, where the loss averages over them. */
function chooseMask(
  graph: Graph,
  { type }: Value,
  { kind }: TermOptions,
  { mask: given }: TrainOptions,
): Value | null {
  const mask = given ?? 'attention_mask';
  if (!lossDef(kind).reads.includes('--mask') || (type?.kind === 'tensor' && type.shape?.length !== 3))
    return null;
  const found = graph.inputs.find(({ name }) => name === mask) ?? null;
  if (!found && given !== undefined) {
    const inputs = graph.inputs.map((input) => input.name).join(', ');
    fail(
      uselessOption({
        option: '--mask',
        why: `the model has no input "${mask}"`,
        hint: `its inputs are ${inputs}`,
      }),
    );
  }
  return found;
}
