import type { WeightRow } from '../adapter/saved-plan.js';
import { noForeignPlace } from '../ir/codes/interop.js';
import { constantData } from '../ir/constants.js';
import { fail } from '../ir/diagnostics.js';
import type { Model, Node, Value } from '../ir/model.js';
import { declaredOp, weightStep } from '../ir/ops/index.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { TransposedTensor } from '../passes/adapters/trained-tensor.js';
import { unfold } from '../passes/adapters/unfold.js';
import { resultOf } from '../passes/sites/candidates.js';
import { findLinears, type Linears } from '../passes/sites/find.js';
import { pathsSeen } from '../passes/sites/patterns.js';
import { weightDigest } from '../passes/sites/weight-digest.js';
import type { ModuleNames } from './bind.js';
import type { ForeignAdapter, ForeignWeight } from './foreign.js';
import { nearestTo } from './names.js';

/** A parameter of a module in a model: where it is stored, and how. */
interface StoredParameter {
  /** name of the initializer, or of the output of the Constant or Identity that keeps it */
  readonly tensor: string;
  /** the model stores the transpose of what PyTorch's Linear has */
  readonly transposed: boolean;
  /** the layer whose weight it is */
  readonly layer: string | null;
}

/**
 * The parameters of a model by their names in PyTorch. Exporters keep the names of parameters that they store as they are; what they
 * store otherwise (the weight of a linear layer as (in, out), a bias without a name) is found by the layer that reads it.
 */
export function storedParameters(
  model: Model,
  { sites, wrapper }: Linears = findLinears(model, { tie: 'initializer' }),
): ReadonlyMap<string, StoredParameter> {
  const found = new Map<string, StoredParameter>();
  const add = (name: string, parameter: StoredParameter): void => {
    if (!found.has(name)) found.set(name, parameter);
  };
  const named = (name: string): readonly string[] =>
    wrapper !== '' && name.startsWith(`${wrapper}.`) ? [name.slice(wrapper.length + 1), name] : [name];
  const layerOf = new Map<string, string>();
  for (const site of sites) for (const { weight } of site.uses) layerOf.set(weight.name, site.id);
  for (const value of storedValues(model)) {
    const parameter = { tensor: value.name, transposed: false, layer: layerOf.get(value.name) ?? null };
    for (const name of named(value.name)) add(name, parameter);
  }
  for (const site of sites) {
    for (const { node, weight, layout, via } of site.uses) {
      const swaps = via.filter((step) => weightStep(step) === 'transpose').length;
      const parameter = {
        tensor: weight.name,
        transposed: (layout === 'io') !== (swaps % 2 === 1),
        layer: site.id,
      };
      const bias = biasOf(node, site.out);
      for (const path of pathsSeen(site, wrapper)) {
        add(`${path}.weight`, parameter);
        if (bias) add(`${path}.bias`, { tensor: bias.name, transposed: false, layer: null });
      }
    }
  }
  return found;
}

/** Initializers, outputs of Constants, and Identities of them, which exporters write for parameters that equal others. */
function* storedValues(model: Model): Iterable<Value> {
  yield* model.graph.initializers.values();
  for (const node of model.graph.nodes) {
    const [output] = node.outputs;
    if (output && (constantData(output) || (weightStep(node) === 'same' && node.inputs[0]?.constant)))
      yield output;
  }
}

/** The stored vector that is added to the product of a layer. */
function biasOf(node: Node, out: number): Value | null {
  const isBias = (value: Value | null | undefined): value is Value => {
    const data = value && constantData(behind(value));
    return data !== null && data !== undefined && data.shape.length === 1 && data.shape[0] === out;
  };
  const own = declaredOp(node.opKey)?.linear?.bias;
  const held = own === undefined ? null : node.inputs[own];
  if (isBias(held)) return held;
  const result = resultOf(node).outputs[0];
  for (const { node: add } of result?.uses ?? []) {
    if (add.opKey !== 'Add') continue;
    const other = add.inputs.find((input) => input !== result);
    if (isBias(other)) return other;
  }
  return null;
}

/** What an Identity of a parameter is of. */
function behind(value: Value): Value {
  const { producer } = value;
  const source = producer && weightStep(producer) === 'same' ? producer.inputs[0] : null;
  return source ?? value;
}

/**
 * Rows of a plan for the whole weights of a foreign adapter, and their data as the model stores them, in float32. Throws LOTR7301
 * for parameters that the model lacks, stores in another shape, or stores together with another one.
 */
export function bindWeights(
  model: Model,
  linears: Linears,
  foreign: ForeignAdapter,
  names: ModuleNames,
): { readonly rows: readonly WeightRow[]; readonly tensors: ReadonlyMap<string, TensorData> } {
  if (foreign.weights.length === 0) return { rows: [], tensors: new Map() };
  const known = storedParameters(model, linears);
  const rows: WeightRow[] = [];
  const tensors = new Map<string, TensorData>();
  for (const weight of foreign.weights) {
    const name = `${weight.module}.${weight.parameter}`;
    const refuse = (why: string, near: readonly string[] = []): never =>
      fail(noForeignPlace({ module: name, why, near, file: foreign.file, what: 'parameter', more: [] }));
    const { mapped, found } = names.among(name, known.keys());
    const places = new Map(found.map((path) => [known.get(path)!.tensor, known.get(path)!]));
    if (places.size > 1) refuse(`it may be ${[...places.keys()].map((one) => `"${one}"`).join(' or ')}`);
    const [place] = places.values();
    if (!place)
      return refuse('the model stores no parameter of that name', nearestTo(mapped.name, known.keys()));
    unfold(model, (output, source) => output === place.tensor || source === place.tensor);
    const value = model.graph.own(place.tensor);
    const stored = value && constantData(value);
    if (!value || !stored) return refuse(`the model stores "${place.tensor}" as one with another parameter`);
    const other = otherReader(value, place, linears);
    if (other !== null) refuse(`in the model ${other} reads the same stored tensor "${place.tensor}"`);
    const data = asStored(weight, stored.shape, place.transposed);
    if (!data)
      return refuse(
        `it is [${weight.data.shape}], and the model stores "${place.tensor}" as [${stored.shape}]`,
      );
    const held = tensors.get(place.tensor);
    if (held) {
      if (held.digest() === data.digest()) continue;
      refuse(`the model stores it in "${place.tensor}" together with another parameter of the adapter`);
    }
    tensors.set(place.tensor, data);
    const digest = weightDigest(stored);
    rows.push({
      name: place.tensor,
      shape: stored.shape,
      places: [{ tensor: place.tensor, digest, transposed: false }],
    });
  }
  return { rows, tensors };
}

/** Who reads a stored tensor besides the module whose parameter it is, in words; null: nobody. */
function otherReader(value: Value, { layer }: StoredParameter, { sites }: Linears): string | null {
  const layers = sites.filter(({ uses }) => uses.some(({ weight }) => weight === value));
  const other = layers.find(({ id }) => id !== layer);
  if (other) return `layer "${other.id}"`;
  const copy = [...value.uses].find(({ node }) => layer === null && weightStep(node) === 'same');
  if (copy) return `"${copy.node.outputs[0]!.name}"`;
  if (layer === null) return null;
  const own = new Set(layers.flatMap(({ uses }) => uses.flatMap(({ node, via }) => [node, ...via])));
  const reader = [...value.uses].find(({ node }) => !own.has(node));
  return reader ? `${reader.node.op} "${reader.node.label}"` : null;
}

/** The data in float32 and the shape that the model has; null where it has another. */
function asStored({ data }: ForeignWeight, shape: readonly number[], transposed: boolean): TensorData | null {
  const wide = widened(data);
  const turned = shape.toReversed().join() === data.shape.join();
  if (shape.join() === data.shape.join() && !(transposed && shape.length === 2)) return wide;
  return shape.length === 2 && turned ? new TransposedTensor(wide) : null;
}

/** A floating-point tensor as float32. */
function widened(data: TensorData): TensorData {
  if (data.dtype === 'f32') return data;
  return new ComputedTensor('f32', data.shape, 'float32', () => encodeFloats('f32', toF64(data)));
}
