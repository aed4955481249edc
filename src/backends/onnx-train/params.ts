import { formText } from '../../init/index.js';
import type { PlanRow } from '../../ir/adapter.js';
import { alsoTrain, noInfluence, nothingToTrain, uselessOption } from '../../ir/codes/training.js';
import { closest, fail } from '../../ir/diagnostics.js';
import type { Model, Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { factorTensors } from '../../passes/adapters/plan.js';
import { storedWeight } from '../../passes/adapters/weight.js';
import { findLinears } from '../../passes/sites/find.js';
import type { ParamRow } from '../../train/signature.js';
import type { TrainOptions } from './options.js';

/** A parameter: its row in the signature and its data at the start. */
export interface Param {
  readonly row: ParamRow;
  readonly data: TensorData;
}

/** Factors of the plan and weights named by --also-train, in a fixed order: factors first. */
export function collectParams(
  model: Model,
  plans: readonly PlanRow[],
  data: ReadonlyMap<string, TensorData>,
  options: TrainOptions,
): readonly Param[] {
  const params: Param[] = [];
  const names = new Set(plans.flatMap((row) => row.spec.factors.map(({ name }) => name)));
  for (const plan of plans) {
    for (const tensor of factorTensors(plan)) {
      const spec = plan.spec.factors[tensor.factor]!;
      const site = plan.sites.find((row) => Object.values(row.factors).includes(tensor.name));
      const held = data.get(tensor.name)!;
      const row: ParamRow = {
        name: tensor.name,
        factor: spec.name,
        group: tensor.group,
        site: site?.id ?? null,
        shape: held.shape,
        dtype: 'f32',
        init: formText(spec.init),
        lrMultiplier: options.lrMultipliers[spec.name] ?? spec.lrMultiplier,
        trainable: spec.mode === 'trainable' && (options.train?.includes(spec.name) ?? true),
      };
      params.push({ row, data: held });
    }
  }
  for (const { name, value } of fullWeights(model, options.alsoTrain, new Set(data.keys()))) {
    const row: ParamRow = {
      name,
      factor: name,
      group: null,
      site: null,
      shape: value.constant!.shape,
      dtype: 'f32',
      init: 'base',
      lrMultiplier: options.lrMultipliers[name] ?? 1,
      trainable: true,
    };
    params.push({ row, data: value.constant! });
  }
  checkNames(params, options);
  if (!params.some(({ row }) => row.trainable)) {
    fail(nothingToTrain({ train: options.train ?? [], factors: [...names] }));
  }
  return params;
}

/** Throws LOTR5008 for names of factors that do not exist, and for multipliers that are no learning rate. */
function checkNames(params: readonly Param[], { train, lrMultipliers }: TrainOptions): void {
  const known = new Set(params.map(({ row }) => row.factor));
  const hint = `there are ${[...known].join(', ')}`;
  const check = (option: string, names: readonly string[]): void => {
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined) fail(uselessOption({ option, why: `nothing is called "${unknown}"`, hint }));
  };
  // names that leave nothing to train have a message of their own
  if (train?.some((name) => known.has(name))) check('--train', train);
  check('--lr-multiplier', Object.keys(lrMultipliers));
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

/** Initializers that the patterns name, directly or as weight or bias of a layer by its module path. */
function fullWeights(
  model: Model,
  patterns: readonly string[],
  factors: ReadonlySet<string>,
): { name: string; value: Value }[] {
  if (patterns.length === 0) return [];
  const aliases = new Map<Value, string>();
  for (const site of findLinears(model).sites) {
    for (const { node } of site.uses) {
      const stored = storedWeight(node.inputs[1]!);
      if (stored?.holder.constant && site.modulePath) aliases.set(stored.holder, `${site.modulePath}.weight`);
    }
  }
  const chosen = new Map<string, Value>();
  for (const pattern of patterns) {
    const regex = compile(pattern);
    let hits = 0;
    for (const [name, value] of model.graph.initializers) {
      if (factors.has(name) || value.constant!.dtype !== 'f32') continue;
      if (!regex.test(name) && !regex.test(aliases.get(value) ?? '')) continue;
      chosen.set(name, value);
      hits++;
    }
    if (hits > 0) continue;
    const near = closest(pattern, [...model.graph.initializers.keys(), ...aliases.values()]);
    fail(alsoTrain({ pattern, why: 'it matches no float32 weight', near }));
  }
  return [...chosen].map(([name, value]) => ({ name, value }));
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    return fail(alsoTrain({ pattern, why: (error as Error).message, near: [] }));
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
