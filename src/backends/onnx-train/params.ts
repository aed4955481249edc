import { isTrained } from '../../adapter/description.js';
import { planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow, WeightRow } from '../../adapter/saved-plan.js';
import { formText } from '../../init/index.js';
import { attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { closest, type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { Model, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { tensorType } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { reproducible } from '../../passes/adapters/seeded-factors.js';
import { dropStored, storedWeight } from '../../passes/adapters/stored-weight.js';
import { findLinears } from '../../passes/sites/find.js';
import { weightDigest } from '../../passes/sites/weight-digest.js';
import { copiesOf } from '../../passes/sites/weight-identity.js';
import type { ChangeRow, ParamRow } from '../../train/signature.js';
import {
  noInfluence,
  nothingToTrain,
  trainedAsOne,
  uselessOption,
  alsoTrain as uselessPattern,
} from '../codes/training.js';
import { wholeChanges } from './changes.js';
import type { TrainOptions } from './options.js';
import { type ParamGroup, parseGroups, requireUsed, withGroup } from './param-groups.js';

/** A parameter: its row in the signature and its data at the start. */
export interface Param {
  readonly row: ParamRow;
  readonly data: TensorData;
}

export function trainable(params: readonly Param[]): readonly Param[] {
  return params.filter(({ row }) => row.trainable);
}

/** What the optimizer steps: a parameter, or the change of a weight. */
export interface SteppedRow extends Pick<ParamRow, 'name' | 'shape' | 'lrMultiplier'> {
  readonly role: 'param' | 'change';
  readonly weightDecay?: number;
  readonly rate?: number;
}

/** Changes, and the trained parameters that none of them is made of. */
export function steppedRows(params: readonly Param[], changes: readonly ChangeRow[]): readonly SteppedRow[] {
  const parts = new Set(changes.flatMap(({ factors }) => factors));
  const own = trainable(params).flatMap(({ row }) => (parts.has(row.name) ? [] : [row]));
  return [
    ...changes.map((row) => ({ ...row, role: 'change' as const })),
    ...own.map((row) => ({ ...row, role: 'param' as const })),
  ];
}

/** A weight of the base that is a parameter: trained in full now, or by the adapter that training starts from. */
export interface FullWeight {
  readonly row: WeightRow;
  readonly data: TensorData;
  readonly trainable: boolean;
}

/** What is trained, and what stays as it is. */
export interface Collected {
  readonly params: readonly Param[];
  /** what the optimizer steps in place of the factors; none for most optimizers */
  readonly changes: readonly ChangeRow[];
}

/** Factors of the plan and weights that are parameters themselves, in a fixed order: factors first. */
export function collectParams(
  plans: readonly PlanRow[],
  data: ReadonlyMap<string, TensorData>,
  weights: readonly FullWeight[],
  options: TrainOptions,
): Collected {
  const params: Param[] = [];
  const changes = wholeChanges(plans, options);
  const names = new Set(plans.flatMap((row) => row.spec.factors.map(({ name }) => name)));
  const made = reproducible({ version: 1, plans }, data);
  const groups = parseGroups(options);
  const used = new Set<ParamGroup>();
  for (const {
    name,
    spec,
    group,
    site,
    row: { spec: adapter },
  } of planFactors(plans)) {
    if (made.has(name)) continue;
    const held = data.get(name)!;
    const row: ParamRow = {
      name,
      factor: spec.name,
      group,
      site: site?.id ?? null,
      shape: held.shape,
      dtype: 'f32',
      init: formText(spec.init),
      lrMultiplier: options.lrMultipliers[spec.name] ?? spec.lrMultiplier,
      trainable: isTrained(spec) && (options.train?.includes(spec.name) ?? true),
    };
    const own = { row, names: [name], spec: adapter };
    params.push({ row: changes.length > 0 ? row : withGroup(groups, own, used), data: held });
  }
  for (const { row: weight, data: held, trainable } of weights) {
    const row: ParamRow = {
      name: weight.name,
      factor: weight.name,
      group: null,
      site: null,
      shape: weight.shape,
      dtype: 'f32',
      init: 'base',
      lrMultiplier: multiplierOf(weight, options),
      trainable,
    };
    const names = weight.places.map(({ tensor }) => tensor);
    params.push({ row: withGroup(groups, { row, names, spec: null }, used), data: held });
  }
  const changed = changes.map((row) => withGroup(groups, { row, names: [row.name], spec: null }, used));
  const stepped = steppedRows(params, changed).map(({ name }) => name);
  requireUsed(groups, used, stepped);
  const frozen = plans.flatMap(({ spec }) =>
    spec.factors.flatMap((factor) => (isTrained(factor) ? [] : [factor.name])),
  );
  checkNames(params, weights, frozen, options);
  if (!params.some(({ row }) => row.trainable)) {
    fail(nothingToTrain({ train: options.train ?? [], factors: [...names] }));
  }
  return { params, changes: changed };
}

/** The multiplier under any of the names that the base stores a weight by. Throws LOTR5008 when they differ. */
function multiplierOf({ places }: WeightRow, { lrMultipliers }: TrainOptions): number {
  const given = places.flatMap(({ tensor }) => (Object.hasOwn(lrMultipliers, tensor) ? [tensor] : []));
  const [first, ...rest] = given;
  const other = rest.find((name) => lrMultipliers[name] !== lrMultipliers[first!]);
  if (other !== undefined) {
    fail(
      uselessOption({
        option: '--lr-multiplier',
        why: `"${first}" and "${other}" are one parameter and have different multipliers`,
        hint: 'give one of them',
      }),
    );
  }
  return first === undefined ? 1 : lrMultipliers[first]!;
}

/**
 * Throws LOTR5008 for names of factors that do not exist or are frozen, and for multipliers that are not learning
 * rates.
 */
function checkNames(
  params: readonly Param[],
  weights: readonly FullWeight[],
  frozen: readonly string[],
  { train, lrMultipliers }: TrainOptions,
): void {
  const known = new Set([
    ...params.map(({ row }) => row.factor),
    ...frozen,
    ...weights.flatMap(({ row }) => row.places.map(({ tensor }) => tensor)),
  ]);
  const hint = `there are ${[...known].join(', ')}`;
  const check = (option: string, names: readonly string[]): void => {
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined) fail(uselessOption({ option, why: `nothing is called "${unknown}"`, hint }));
  };
  // names that leave nothing to train have a message of their own
  if (train?.some((name) => known.has(name))) check('--train', train);
  check('--lr-multiplier', Object.keys(lrMultipliers));
  const still = train?.find((name) => frozen.includes(name));
  if (still !== undefined) {
    const why = `the description of the adapter freezes ${still}`;
    fail(uselessOption({ option: '--train', why, hint: 'rewrite the model with a method that trains it' }));
  }
  for (const name of Object.keys(lrMultipliers)) {
    const rows = params.filter(({ row }) => row.factor === name);
    if (rows.length === 0 || rows.some(({ row }) => row.trainable)) continue;
    fail(uselessOption({ option: '--lr-multiplier', why: `${name} is not trained`, hint: 'leave it out' }));
  }
  for (const [name, multiplier] of Object.entries(lrMultipliers)) {
    if (multiplier > 0 && multiplier < Infinity) continue;
    const why = `${name} would learn at ${multiplier} times the rate`;
    fail(
      uselessOption({
        option: '--lr-multiplier',
        why,
        hint: 'give a number above 0; --train chooses what learns',
      }),
    );
  }
}

interface Stored {
  readonly name: string;
  readonly data: TensorData;
}

/**
 * The weights that are parameters: those that the adapter has trained before, and initializers that --also-train names,
 * directly or as the weight of a layer by its module path. Weights of equal content, also transposed, are one parameter,
 * unless they are to be told apart by initializer. `own`: names of what the base stores, so that nothing of lotrc's own is
 * offered or trained. Throws LOTR5005 for patterns that name nothing.
 */
export function fullWeights(
  model: Model,
  own: ReadonlySet<string>,
  trained: readonly WeightRow[],
  options: TrainOptions,
  report: (diagnostic: Diagnostic) => void,
): readonly FullWeight[] {
  const { alsoTrain, train, tie } = options;
  const stored = new Map<string, Stored>();
  for (const [name, { constant }] of model.graph.initializers) {
    if (own.has(name) && constant!.dtype === 'f32') stored.set(name, { name, data: constant! });
  }
  const chosen = matched(model, stored, alsoTrain);
  const taken = new Set<string>();
  const weights: FullWeight[] = [];
  for (const row of trained) {
    const names = row.places.map(({ tensor }) => tensor);
    for (const name of names) taken.add(name);
    const asked = names.some((name) => chosen.has(name) || train?.includes(name));
    weights.push({ row, data: stored.get(row.name)!.data, trainable: train === null || asked });
  }
  for (const [name, { data }] of chosen) {
    if (taken.has(name)) continue;
    taken.add(name);
    const rest = [...stored.values()].filter((other) => !taken.has(other.name));
    const copies = tie === 'content' ? copiesOf(data, rest) : [];
    const places = [
      { tensor: name, digest: weightDigest(data), transposed: false },
      ...copies.map(({ of, transposed }) => ({
        tensor: of.name,
        digest: weightDigest(of.data),
        transposed,
      })),
    ];
    for (const { of } of copies) taken.add(of.name);
    if (copies.length > 0) report(trainedAsOne({ names: places.map(({ tensor }) => tensor) }));
    weights.push({ row: { name, shape: data.shape, places }, data, trainable: true });
  }
  return weights;
}

/** Stored weights that the patterns name, in the order of the model. */
function matched(
  model: Model,
  stored: ReadonlyMap<string, Stored>,
  patterns: readonly string[],
): ReadonlyMap<string, Stored> {
  if (patterns.length === 0) return new Map();
  const aliases = new Map<string, string[]>();
  const alias = (name: string, other: string): void => {
    aliases.set(name, [...(aliases.get(name) ?? []), other]);
  };
  for (const site of findLinears(model).sites) {
    for (const { node } of site.uses) {
      const holder = storedWeight(node.inputs[1]!)?.holder;
      if (holder && stored.has(holder.name) && site.modulePath) {
        for (const path of [site.modulePath, ...site.aliases]) alias(holder.name, `${path}.weight`);
      }
    }
  }
  // an exporter writes a parameter that equals another one as an Identity node of it
  for (const node of model.graph.nodes) {
    const [source] = node.inputs;
    if (source && weightStep(node) === 'same' && stored.has(source.name))
      alias(source.name, node.outputs[0]!.name);
  }
  const hits = new Set<string>();
  for (const pattern of patterns) {
    const regex = compile(pattern);
    const found = [...stored.keys()].filter((name) =>
      [name, ...(aliases.get(name) ?? [])].some((known) => regex.test(known)),
    );
    for (const name of found) hits.add(name);
    if (found.length > 0) continue;
    const near = closest(pattern, [...stored.keys(), ...[...aliases.values()].flat()]);
    fail(uselessPattern({ pattern, why: 'it matches no float32 weight', near }));
  }
  return new Map([...stored].filter(([name]) => hits.has(name)));
}

/**
 * Lets every place of a tied weight read the first one, transposed where it stores the transpose: one parameter, whose
 * gradient is the sum over all uses.
 */
export function uniteWeights(model: Model, weights: readonly FullWeight[]): void {
  const { graph } = model;
  for (const { row } of weights) {
    const own = graph.own(row.name);
    for (const { tensor, transposed } of row.places.slice(1)) {
      const copy = graph.own(tensor);
      if (!own || !copy?.constant || copy.isOutput) continue;
      if (transposed) {
        const b = new GraphBuilder(graph, { before: graph.nodes.first, pass: 'onnx-train' });
        copy.replaceAllUsesWith(b.one('Transpose', [own], { perm: attrInts([1, 0]) }, `${tensor}/tied`));
      } else copy.replaceAllUsesWith(own);
      dropStored(model, copy);
    }
  }
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    return fail(uselessPattern({ pattern, why: (error as Error).message, near: [] }));
  }
}

/**
 * Makes the trainable parameters required inputs of the graph; frozen factors stay initializers. Throws LOTR5003 when
 * one was cleaned away because nothing that leads to the output reads it.
 */
export function exposeParams(model: Model, params: readonly Param[], output: string): readonly Value[] {
  const gone = params
    .filter(({ row }) => row.trainable && !model.graph.own(row.name))
    .map(({ row }) => row.name);
  if (gone.length > 0) fail(noInfluence({ names: gone, logits: output }));
  return params
    .filter(({ row }) => row.trainable)
    .map(({ row, data }) => {
      const value = model.graph.own(row.name)!;
      if (!value.isInput) model.graph.exposeInitializer(value, tensorType('f32', data.shape), null);
      return value;
    });
}
