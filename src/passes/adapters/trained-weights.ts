import { planFactors } from '../../adapter/plan-factors.js';
import type { SavedPlan, WeightRow } from '../../adapter/saved-plan.js';
import { baseGone, strangeTensors, weightDiffers } from '../../ir/codes/adapters.js';
import { constantData } from '../../ir/constants.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { readPlan, withWeights, writePlan } from '../plan/plan.js';
import { weightDigest } from '../sites/weight-digest.js';
import { replaceStored } from './stored-weight.js';
import { TrainedTensor, TransposedTensor } from './trained-tensor.js';
import { unfold } from './unfold.js';

/** Names under which optimizers keep their state of a parameter: `<param>/m`. */
const SLOTS = ['m', 'v', 'u'];

/**
 * The weights that an adapter file holds in full: the rows of its plan, and of files that earlier versions wrote, which
 * have tensors without rows, one row for each float32 tensor that is named and shaped like a stored weight of the model.
 * `plan`: that of the file; null where it has none, which may hold some tensors of the model's plan only. Throws LOTR3312
 * for tensors that are nothing of this, LOTR3311 for a row without its tensor.
 */
export function weightsOfFile(
  model: Model,
  plan: SavedPlan | null,
  tensors: ReadonlyMap<string, TensorData>,
  file: string,
): readonly WeightRow[] {
  const held = readPlan(model);
  const plans = [...(plan?.plans ?? held?.plans ?? [])];
  const factors = new Set(planFactors(plans).map(({ name }) => name));
  const present = new Map((held?.weights ?? []).map((row) => [row.name, row]));
  const rows = [...(plan?.weights ?? [])];
  const lost = rows.find(({ name }) => !tensors.has(name));
  if (lost) fail(weightDiffers({ name: lost.name, why: 'the adapter file names it and does not hold it' }));
  const known = new Set([...factors, ...rows.map(({ name }) => name)]);
  const strange: string[] = [];
  for (const [name, { dtype, shape }] of tensors) {
    if (known.has(name)) continue;
    const cut = name.lastIndexOf('/');
    if (tensors.has(name.slice(0, cut)) && SLOTS.includes(name.slice(cut + 1))) continue;
    const data = storedData(model, name);
    if (dtype === 'f32' && data?.dtype === 'f32' && `${data.shape}` === `${shape}`) {
      const places = [{ tensor: name, digest: weightDigest(data), transposed: false }];
      rows.push(present.get(name) ?? { name, shape, places });
    } else strange.push(name);
  }
  if (strange.length > 0) fail(strangeTensors({ names: strange, file }));
  return rows;
}

/**
 * Puts weights that were trained in full in place of those of the model, and into its plan `plan`, which is written.
 * A row that the plan has already is replaced where it is; another one must find the weight that it was trained
 * from. Throws LOTR3311 when it does not.
 */
export function placeWeights(
  model: Model,
  plan: SavedPlan,
  rows: readonly WeightRow[],
  tensors: ReadonlyMap<string, TensorData>,
): SavedPlan {
  const held = new Map((plan.weights ?? []).map((row) => [row.name, row]));
  const places = tensorNamesOf(rows);
  unfold(model, (name, source) => places.has(name) || places.has(source));
  for (const row of rows) {
    const data = tensors.get(row.name)!;
    const refuse = (why: string): never => fail(weightDiffers({ name: row.name, why }));
    if (data.dtype !== 'f32' || `${data.shape}` !== `${row.shape}`)
      refuse(`it is ${data.dtype}[${data.shape}], its row in the plan says f32[${row.shape}]`);
    const present = held.get(row.name);
    for (const { tensor, digest, transposed } of row.places) {
      const value = model.graph.own(tensor);
      const stored = value ? constantData(value) : null;
      if (!value || !stored) return refuse(`the model stores nothing called "${tensor}"`);
      const shape = transposed ? row.shape.toReversed() : row.shape;
      if (stored.dtype !== 'f32' || `${stored.shape}` !== `${shape}`)
        refuse(`"${tensor}" is ${stored.dtype}[${stored.shape}], not f32[${shape}]`);
      const from = present ? present.places.find((place) => place.tensor === tensor)?.digest : undefined;
      if ((from ?? weightDigest(stored)) !== digest)
        refuse(`"${tensor}" is not the weight that the training started from`);
      replaceStored(value, transposed ? new TransposedTensor(data) : new TrainedTensor(data));
    }
    held.set(row.name, row);
  }
  const updated = withWeights(plan, [...held.values()]);
  writePlan(model, updated);
  return updated;
}

/** Names by which the base stores these weights. */
export const tensorNamesOf = (rows: readonly WeightRow[]): ReadonlySet<string> =>
  new Set(rows.flatMap(({ places }) => places.map(({ tensor }) => tensor)));

/** Throws LOTR3210 when the model holds a trained weight that an adapter means to be as in the base. */
export function requireBaseWeights(plan: SavedPlan, rows: readonly WeightRow[], doing: string): void {
  const given = new Set(rows.map(({ name }) => name));
  const gone = (plan.weights ?? []).flatMap(({ name }) => (given.has(name) ? [] : [name]));
  if (gone.length > 0) fail(baseGone({ doing, why: gone }));
}

/** The trained weights that a model holds, by name. Throws LOTR3311 when one is not there. */
export function trainedWeights(model: Model, plan: SavedPlan): ReadonlyMap<string, TensorData> {
  return new Map(
    (plan.weights ?? []).map(({ name, shape }) => {
      const data = storedData(model, name);
      if (data?.dtype === 'f32' && `${data.shape}` === `${shape}`) return [name, data];
      return fail(weightDiffers({ name, why: `the model stores no f32[${shape}] of that name` }));
    }),
  );
}

function storedData(model: Model, name: string): TensorData | null {
  const value = model.graph.own(name);
  return value ? constantData(value) : null;
}
