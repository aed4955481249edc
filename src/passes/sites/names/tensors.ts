import type { Node, Value } from '../../../ir/model.js';
import type { TensorData } from '../../../ir/tensor.js';
import { type Candidate, resultOf } from '../candidates.js';
import { constantData } from '../constant.js';
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
export function fromFoldedFrom({ stored, operand }: Candidate): string | null {
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
export function fromWeight(
  { stored, operand, node }: Candidate,
  all: ReadonlyMap<Node, Candidate>,
): string | null {
  if (!stored) return operand.constant ? strip(WEIGHT, operand.name) : null;
  for (const value of [stored.weight, ...stored.via.flatMap(({ outputs }) => outputs)]) {
    // a weight may have thousands of readers, and this runs for each: two are enough to find one that is different
    if (othersOf(value, all).some((other) => other !== node)) return null;
  }
  return strip(WEIGHT, stored.weight.name);
}

/** Operators from which the module of a weight does not follow. */
const PRODUCTS = /^(MatMul|Gemm|Identity|Transpose|Cast)/;

/** For one naming of all candidates: the first two other readers of each weight. */
const others = new WeakMap<ReadonlyMap<Node, Candidate>, Map<Value, readonly Node[]>>();

/** The first two readers of a value that are neither products nor carriers. */
function othersOf(value: Value, all: ReadonlyMap<Node, Candidate>): readonly Node[] {
  const held = others.get(all) ?? new Map<Value, readonly Node[]>();
  others.set(all, held);
  let nodes = held.get(value);
  if (!nodes) {
    const readers = new Set([...value.uses].map(({ node }) => node));
    nodes = [...readers].filter(({ op }) => !PRODUCTS.test(op)).slice(0, 2);
    held.set(value, nodes);
  }
  return nodes;
}

/** The module's part of a weight's name. */
export function pathOfWeight(name: string): string | null {
  return strip(WEIGHT, name);
}

/** The name of the weight, whatever else reads it. */
export function fromSharedWeight({ stored }: Candidate): string | null {
  return stored ? strip(WEIGHT, stored.weight.name) : null;
}

/**
 * The name of the bias: Gemm's third input, or the stored vector in an Add after the product. Exporters store equal
 * vectors once (all biases of a fresh model are zero), so a bias that layers of different weights read is not used.
 */
export function fromBias(candidate: Candidate, candidates: ReadonlyMap<Node, Candidate>): string | null {
  const { node, out, stored } = candidate;
  const product = resultOf(node).outputs[0];
  const found: Value[] = [];
  if (node.op === 'Gemm' && node.inputs[2]) found.push(node.inputs[2]);
  for (const { node: add } of product?.uses ?? []) {
    if (add.op === 'Add' && add.domain === '')
      found.push(...(add.inputs.filter((input) => input !== null && input !== product) as Value[]));
  }
  for (const bias of found) {
    const shape = storedBehind(bias)?.shape;
    if (shape?.length !== 1 || (out !== null && shape[0] !== out)) continue;
    const own = [...bias.uses].every(({ node: reader }) => {
      if (reader.op === 'Identity') return true; // another layer's bias, under its own name
      const producers = reader.op === 'Add' ? reader.inputs.map((input) => input?.producer) : [reader];
      return producers.some((producer) => {
        const other = producer && candidates.get(producer);
        return other && (other === candidate || (stored !== null && other.stored?.weight === stored.weight));
      });
    });
    const path = own ? strip(BIAS, bias.name) : null;
    if (path) return path;
  }
  return null;
}

/** The data of a vector, which the exporter may have put after an Identity that keeps its name. */
function storedBehind(value: Value): TensorData | null {
  const source = value.producer?.opKey === 'Identity' ? value.producer.inputs[0] : null;
  return constantData(source ?? value);
}

/** The module's part of a tensor name; the operator that model builders put after it goes too. */
function strip(pattern: RegExp, name: string): string | null {
  const path = pattern.exec(name)?.[1]?.replace(/\.(?:MatMul|Gemm)\w*$/, '');
  return path && /^[^/:\s]+$/.test(path) ? path : null;
}
