import { LORA } from '../../adapter/methods/lora.js';
import { deltaTerm } from '../../adapter/terms.js';
import { mergeRefused } from '../../ir/codes/adapters.js';
import { constantData } from '../../ir/constants.js';
import { fail } from '../../ir/diagnostics.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { toF64 } from '../../ir/values.js';
import { alphaOf } from '../sites/base-attrs.js';
import { findCandidates, type SiteCandidate } from '../sites/candidates.js';
import { findUnmergedLora, type UnmergedLora } from '../sites/unmerged-lora.js';
import { eraseDead } from './erase.js';
import { hasOtherReaders } from './merge.js';
import { MergedTensor } from './merged-tensor.js';
import { dropStored, isOverridable, replaceStored } from './stored-weight.js';

/**
 * Folds the LoRA adapters that PEFT left next to their layers into the weights, W' = W + scale A B, as
 * `merge_and_unload()` does before an export. The sum is made in float64 when the model is written, a block of rows at
 * a time, and rounded once to the type of W. Returns the number of adapters.
 * Throws LOTR3206 where a weight cannot take the change, also when the result is not finite.
 */
export function mergeUnmergedLora(model: Model): number {
  const found = findUnmergedLora(findCandidates(model));
  for (const lora of found) mergeOne(model, lora);
  return found.length;
}

function mergeOne(model: Model, { base, a, b, scale, add, delta }: UnmergedLora): void {
  const { weight } = base.stored!;
  const refuse = (why: string): never =>
    fail(mergeRefused({ site: base.node.label, weight: weight.name, why }));
  if (isOverridable(model, weight)) refuse('it is also a graph input, so a caller may replace it');
  if (base.stored!.dequantize) refuse('it is quantised, and the sum with the adapter is not on its grid');
  if (hasOtherReaders(weight, new Set([base.node]))) refuse('other nodes read it too');
  const merged = new MergedTensor(
    constantData(weight)!, // the weight as other adapters of the layer have changed it
    {
      term: deltaTerm(LORA.delta),
      factors: [asMatrix(a), asMatrix(b)],
      scale: scale / alphaOf(base.node),
      extents: { in: a.in!, out: b.out! },
      wrap: 'add',
      norm: null,
    },
    (base.layout === 'oi') !== base.stored!.transposed,
    () => refuse('the result is not finite in its type'),
  );
  replaceStored(weight, merged);
  takeOut(add, delta);
  for (const { stored } of [a, b]) dropStored(model, stored!.weight);
}

/** The (in, out) matrix by which a product multiplies, in float64. Both sides of an adapter are thin. */
function asMatrix({ stored, layout, in: inn, out }: SiteCandidate): TensorData {
  const values = toF64(stored!.data);
  const transposed = (layout === 'oi') !== stored!.transposed;
  const matrix = new Float64Array(values.length);
  for (let i = 0; i < inn!; i++) {
    for (let o = 0; o < out!; o++) matrix[i * out! + o] = values[transposed ? o * inn! + i : i * out! + o]!;
  }
  return new MemoryTensor('f64', [inn!, out!], new Uint8Array(matrix.buffer));
}

/** Lets the readers of the sum read the layer's result; a sum that is an output of a graph keeps its name. */
function takeOut(add: Node, delta: Value): void {
  const [sum] = add.outputs;
  const result = add.inputs.find((input) => input !== delta)!;
  const graph = add.graph!;
  if (sum!.isOutput) {
    const identity = new Node({
      op: 'Identity',
      name: graph.names.freshNode(`${add.label}/merged`),
      inputs: [result],
      outputs: [graph.names.freshValue(`${sum!.name}/merged`)],
      attrs: new Map(),
      origin: { from: [add.name], pass: 'merge-adapters' },
    });
    graph.insertAfter(add, identity);
    supersede(sum!, identity.outputs[0]!);
  } else sum!.replaceAllUsesWith(result);
  eraseDead(add); // and the products that only it read
}
