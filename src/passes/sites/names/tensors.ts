import { constantData } from '../../../ir/constants.js';
import type { Node, Value } from '../../../ir/model.js';
import { declaredOp, weightStep } from '../../../ir/ops/index.js';
import type { TensorData } from '../../../ir/tensor.js';
import { isProduct, resultOf, type SiteCandidate } from '../candidates.js';
import { parsePythonList } from './scopes.js';

/** Module paths in the names of stored tensors. */

/** `a.b.weight`, also `a.b.MatMul.weight` (model builders), `weight_t`, `a.b.w`, and Paddle's `linear_3.w_0`. */
const WEIGHT = /^(.+)\.(?:weight(?:_\w+)?|w|w_0|qweight)$/;
/** `a.b.bias`, `a.in_proj_bias`, `a.b`, and Paddle's `linear_3.b_0`. */
const BIAS = /^(.+)\.(?:bias|b|b_0|\w+_bias)$/;

/** The metadata entry in which a value that constant folding left names what it was made of. */
export const FOLDED_FROM = 'pkg.onnxscript.optimizer.folded_from';

/**
 * The parameters that a value was made of, by the entry that constant folding left on it.
 * A weight that several parameters were joined to (`torch.cat` of q, k and v) belongs to the module around them.
 */
export function fromFoldedFrom({ stored, operand }: SiteCandidate): string | null {
  const carried = stored?.data.carried?.metadata.find(([name]) => name === FOLDED_FROM)?.[1];
  for (const text of [stored?.weight.metadata.get(FOLDED_FROM), carried, operand.metadata.get(FOLDED_FROM)]) {
    const paths = parsePythonList(text).flatMap((name) => strip(WEIGHT, name) ?? []);
    if (paths.length > 0) return commonPath(paths);
  }
  return null;
}

/** The segments that all paths begin with, or null. */
function commonPath([first = '', ...others]: readonly string[]): string | null {
  const parts = first.split('.');
  const rest = others.map((path) => path.split('.'));
  const differs = parts.findIndex((part, index) => rest.some((other) => other[index] !== part));
  const shared = differs < 0 ? parts : parts.slice(0, differs);
  return shared.length > 0 ? shared.join('.') : null;
}

/**
 * The name of the weight. A weight that other operators read too (an embedding tied to the output layer) is named
 * after the other module, so it does not count here.
 */
export function fromWeight({ stored, operand, node }: SiteCandidate, all: Candidates): string | null {
  if (!stored) return operand.constant ? strip(WEIGHT, operand.name) : null;
  for (const value of [stored.weight, ...stored.via.flatMap(({ outputs }) => outputs)]) {
    if (othersOf(value, all).some((other) => other !== node)) return null;
  }
  return strip(WEIGHT, stored.weight.name);
}

/** Operators from which the module of a weight does not follow. */
const PRODUCTS = /^(MatMul|Gemm|Identity|Transpose|Cast)/;

/** What all candidates are looked up in while they are named. */
type Candidates = ReadonlyMap<Node, SiteCandidate>;

/**
 * What is found for a value once, while candidates are named: a weight or a bias may have thousands of readers, and each
 * of them asks.
 */
function once<T>(find: (value: Value, all: Candidates) => T): (value: Value, all: Candidates) => T {
  const namings = new WeakMap<Candidates, Map<Value, T>>();
  return (value, all) => {
    const held = namings.get(all) ?? new Map<Value, T>();
    namings.set(all, held);
    let found = held.get(value);
    if (found === undefined) {
      found = find(value, all);
      held.set(value, found);
    }
    return found;
  };
}

/** The first two readers of a value that are neither products nor carriers: two are enough to find one that is different. */
const othersOf = once((value): readonly Node[] => {
  const readers = new Set([...value.uses].map(({ node }) => node));
  return [...readers].filter(({ op }) => !PRODUCTS.test(op)).slice(0, 2);
});

/** The module's part of a weight's name. */
export function pathOfWeight(name: string): string | null {
  return strip(WEIGHT, name);
}

/** The name of the weight, whatever else reads it. */
export function fromSharedWeight({ stored }: SiteCandidate): string | null {
  return stored ? strip(WEIGHT, stored.weight.name) : null;
}

/** A layer is told by its weight, and without a stored one by its candidate. */
const layerOf = (candidate: SiteCandidate): Value | SiteCandidate => candidate.stored?.weight ?? candidate;

/** The layers to whose products every reader of a bias adds it: one, or two where products are added to each other. */
const layersOfBias = once((bias, all): readonly (Value | SiteCandidate)[] => {
  let common: readonly (Value | SiteCandidate)[] | null = null;
  for (const { node: reader } of bias.uses) {
    if (weightStep(reader) === 'same') continue; // another layer's bias, under its own name
    const producers = reader.op === 'Add' ? reader.inputs.map((input) => input?.producer) : [reader];
    const layers: readonly (Value | SiteCandidate)[] = producers.flatMap((producer) => {
      const found = producer && all.get(producer);
      return found ? [layerOf(found)] : [];
    });
    common = common ? common.filter((layer) => layers.includes(layer)) : layers;
    if (common.length === 0) break;
  }
  return common ?? [];
});

/**
 * The name of the bias: Gemm's third input, or the stored vector in an Add after the product. Exporters store equal
 * vectors once (all biases of a fresh model are zero), so a bias that layers of different weights read is not used.
 */
export function fromBias(candidate: SiteCandidate, candidates: Candidates): string | null {
  const { node, out } = candidate;
  const product = resultOf(node).outputs[0];
  const found: Value[] = [];
  const own = isProduct(node) ? declaredOp(node.opKey)?.linear?.bias : undefined;
  const added = own === undefined ? null : node.inputs[own];
  if (added) found.push(added);
  for (const { node: add } of product?.uses ?? []) {
    if (add.op === 'Add' && add.domain === '')
      found.push(...(add.inputs.filter((input) => input !== null && input !== product) as Value[]));
  }
  for (const bias of found) {
    const shape = storedBehind(bias)?.shape;
    if (shape?.length !== 1 || (out !== null && shape[0] !== out)) continue;
    const isOwn = layersOfBias(bias, candidates).includes(layerOf(candidate));
    const path = isOwn ? strip(BIAS, bias.name) : null;
    if (path) return path;
  }
  return null;
}

/** The data of a vector, which the exporter may have put after an Identity that keeps its name. */
function storedBehind(value: Value): TensorData | null {
  const { producer } = value;
  const source = producer && weightStep(producer) === 'same' ? producer.inputs[0] : null;
  return constantData(source ?? value);
}

/** The module's part of a tensor name; the operator that model builders put after it goes too. */
function strip(pattern: RegExp, name: string): string | null {
  const path = pattern.exec(name)?.[1]?.replace(/\.(?:MatMul|Gemm)\w*$/, '');
  return path && /^[^/:\s]+$/.test(path) ? path : null;
}
