import { attrTensor } from '../ir/attr.js';
import { GraphBuilder } from '../ir/builder.js';
import { constantData, isConstantNode } from '../ir/constants.js';
import { type DType, isFloat } from '../ir/dtype.js';
import { type Graph, GraphFunction, type Model, type Node, type Value } from '../ir/model.js';
import type { NdArray } from '../ir/ops/core/define.js';
import { ndOf } from '../ir/ops/core/tensor-values.js';
import { definitionOf } from '../ir/ops/index.js';
import { elementCount, staticShape } from '../ir/shape.js';
import { i64Tensor, MemoryTensor, type TensorData } from '../ir/tensor.js';
import { topologicalOrder } from '../ir/topo.js';
import { encodeFloats } from '../ir/values.js';
import { whole } from '../options/types.js';
import { inferShapes } from './infer-shapes.js';
import { definePass } from './pipeline.js';

/**
 * Constant folding: a node that reads nothing but constants becomes a Constant. Its value is computed in float64 and
 * rounded once to its element type, so that a number may differ in its last place from what a runtime computes.
 *
 * Invariants: only pure ops with a value in the registry; no input that a caller may replace; no operand and no result of
 * more than `largest` elements; integers only where all of them are exact. A node that delivers a graph output stays.
 */
export function foldConstants(model: Model, largest: number): number {
  inferShapes(model); // values ask for element types
  let folded = 0;
  for (const graph of model.everyGraph()) {
    // in a function, types and attributes are those of a call
    if (graph.outermost.owner instanceof GraphFunction) continue;
    for (const node of topologicalOrder(graph)) if (fold(graph, node, largest)) folded++;
  }
  return folded;
}

function fold(graph: Graph, node: Node, largest: number): boolean {
  const results = node.outputs.some(({ isOutput }) => isOutput) ? null : knownResults(node, largest);
  if (!results) return false;
  const made: [Value, string][] = [];
  const build = new GraphBuilder(graph, { before: node, pass: 'fold-constants', from: [node.name] });
  for (const [k, output] of node.outputs.entries()) {
    if (output.uses.size === 0) continue;
    const constant = build.one('Constant', [], { value: attrTensor(results[k]!) }, output.name);
    constant.setType(output.type, true);
    output.replaceAllUsesWith(constant);
    made.push([constant, output.name]);
  }
  graph.erase(node);
  for (const [constant, name] of made) constant.rename(name);
  return true;
}

/** What a node delivers, one tensor for each output; null when it is not known before a run, or too large. */
function knownResults(node: Node, largest: number): readonly TensorData[] | null {
  const def = definitionOf(node);
  if (!def?.value || !def.traits?.includes('pure') || isConstantNode(node) || !node.outputs[0]?.name)
    return null;
  const inputs: (NdArray | null)[] = [];
  for (const input of node.inputs) {
    const numbers = input && numbersOf(input, largest);
    if (input && !numbers) return null;
    inputs.push(numbers);
  }
  const types = node.outputs.map(({ type }) => {
    const shape = type?.kind === 'tensor' ? staticShape(type.shape) : null;
    return type?.kind === 'tensor' && shape && elementCount(shape) <= largest
      ? { dtype: type.dtype, shape }
      : null;
  });
  if (types.includes(null)) return null;
  const results = evaluated(() => def.value!(node, inputs));
  const tensors = types.map((type, k) => {
    const result = results?.[k];
    return result && result.shape.join() === type!.shape.join() ? tensorOf(type!.dtype, result) : null;
  });
  return tensors.every((tensor) => tensor !== null) ? tensors : null;
}

/** The elements of a constant of a known type; null for what a caller may replace, and what is too large or not exact. */
function numbersOf(value: Value, largest: number): NdArray | null {
  const data = value.isInput || value.type?.kind !== 'tensor' ? null : constantData(value);
  const numbers = data && elementCount(data.shape) <= largest ? ndOf(data) : null;
  return numbers && (isFloat(data!.dtype) || numbers.data.every(Number.isSafeInteger)) ? numbers : null;
}

/** A form of an op that the registry has no value for throws: it stays as it is. */
function evaluated(value: () => readonly NdArray[]): readonly NdArray[] | null {
  try {
    return value();
  } catch {
    return null;
  }
}

const ARRAYS = {
  i32: Int32Array,
  i16: Int16Array,
  i8: Int8Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Numbers as a tensor of a type; null where they are not of it. */
function tensorOf(dtype: DType, { shape, data }: NdArray): TensorData | null {
  if (isFloat(dtype)) {
    return new MemoryTensor(dtype, shape, encodeFloats(dtype, data));
  }
  if (!data.every(Number.isSafeInteger)) return null;
  if (dtype === 'i64') return i64Tensor(shape, [...data]);
  const Typed = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype as keyof typeof ARRAYS] : null;
  if (!Typed) return null;
  const typed = Typed.from(data);
  const exact =
    data.every((value, i) => value === typed[i]) && (dtype !== 'bool' || data.every((v) => v < 2));
  return exact ? new MemoryTensor(dtype, shape, new Uint8Array(typed.buffer)) : null;
}

export const foldConstantsPass = definePass({
  name: 'fold-constants',
  summary: 'compute what depends on constants only',
  options: {
    largest: {
      type: whole(),
      default: 1024,
      doc: 'number of elements up to which operands and results are computed',
    },
  },
  run(model, { largest }, ctx) {
    const folded = foldConstants(model, largest);
    ctx.stat('folded', folded);
    return folded > 0 ? 'changed' : 'unchanged';
  },
});
