import { constantData, isConstantNode } from '../../ir/constants.js';
import { dtypeFromOnnx } from '../../ir/dtype.js';
import { functionKey, type Graph, GraphFunction, type Model, type Node, type Value } from '../../ir/model.js';
import { declaredOp, weightStep } from '../../ir/ops/index.js';
import { shapeOf } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { toIntegers } from '../../ir/values.js';

/** A stored matrix as a node reads it: its data and the nodes between. */
export interface SiteWeight {
  /** the initializer, or the output of the Constant node */
  readonly weight: Value;
  readonly data: TensorData;
  /** nodes from the weight to the reader, in that order: each a step of a weight (`weightStep`) */
  readonly via: readonly Node[];
  /** the node that makes floats of a quantised weight; null when the weight is stored in floats */
  readonly dequantize: Node | null;
  /** an odd number of swapping Transposes lies between */
  readonly transposed: boolean;
  /** element type after the casts */
  readonly dtype: string;
}

/** Scales of scales that are looked through. */
const MAX_SCALES = 8;

/** Finds where a value comes from: stored data, constants alone, or the model's inputs. */
export class Origins {
  readonly #constant = new Map<Value, boolean>();
  readonly #calls = new Map<string, Node[]>();

  constructor(readonly model: Model) {
    if (model.functions.size === 0) return;
    for (const node of model.everyNode()) {
      const key = functionKey(node.domain, node.op, node.overload);
      if (!model.functions.has(key)) continue;
      const calls = this.#calls.get(key);
      if (calls) calls.push(node);
      else this.#calls.set(key, [node]);
    }
  }

  /** Nodes that call a model-local function. */
  callsOf(fn: GraphFunction): readonly Node[] {
    return this.#calls.get(fn.key) ?? [];
  }

  isCall(node: Node): boolean {
    return this.model.calledBy(node) !== null;
  }

  /**
   * The stored tensor that a value comes from, through Identity, Transpose, Cast and one DequantizeLinear with constant
   * scales; null when there is none. `depth`: scales that the value is in the scale of.
   */
  stored(value: Value, depth = 0): SiteWeight | null {
    const via: Node[] = [];
    let transposed = false;
    let dtype: string | null = null;
    let dequantize: Node | null = null;
    for (let at: Value | null = value, steps = 0; at && steps < 64; steps++) {
      const data = constantData(at);
      if (data) {
        return { weight: at, data, via: via.reverse(), transposed, dtype: dtype ?? data.dtype, dequantize };
      }
      const node: Node | null = at.producer;
      if (!node || at.outputIndex !== 0) return null;
      const step = weightStep(node);
      if (step === undefined) return null;
      if (step === 'cast') {
        const to = node.attrs.get('to');
        if (to?.kind !== 'int') return null;
        dtype ??= dtypeFromOnnx(Number(to.value));
      } else if (step === 'transpose') {
        const swaps = swapsMatrix(node);
        if (swaps === null) return null;
        transposed = transposed !== swaps;
      } else if (step === 'dequantise') {
        // of a model with a cycle, a scale may come from itself
        if (dequantize || depth > MAX_SCALES) return null;
        const scale = node.inputs[1] ? this.stored(node.inputs[1], depth + 1) : null;
        if (!scale || (node.inputs[2] && !this.isConstant(node.inputs[2]))) return null;
        dequantize = node;
        dtype ??= dequantizedType(node) ?? scale.dtype;
      }
      via.push(node);
      at = node.inputs[0] ?? null;
    }
    return null;
  }

  /** True when a value depends on stored data alone: neither on inputs nor on random numbers. */
  isConstant(value: Value): boolean {
    if (value.constant) return true;
    const known = this.#constant.get(value);
    if (known !== undefined) return known;
    const stack = [value];
    const open = new Set<Value>();
    for (let at = stack.at(-1); at; at = stack.at(-1)) {
      if (this.#constant.has(at)) {
        stack.pop();
        continue;
      }
      const needs = this.#needs(at);
      if (needs === null || typeof needs === 'boolean') {
        this.#constant.set(at, needs === true);
        stack.pop();
        continue;
      }
      const verdict = needs.find((need) => this.#constant.get(need) === false);
      // a value that is still open is part of a cycle: no order of evaluation gives it
      const next = verdict ? undefined : needs.find((need) => !this.#constant.has(need) && !open.has(need));
      if (verdict || !next) {
        this.#constant.set(at, !verdict && needs.every((need) => this.#constant.get(need) === true));
        open.delete(at);
        stack.pop();
      } else {
        open.add(at);
        stack.push(next);
      }
    }
    return this.#constant.get(value) === true;
  }

  /** true or false when known at once; else the values it depends on. */
  #needs(value: Value): boolean | readonly Value[] {
    if (value.constant || value.isSparse) return true;
    if (value.isInput) {
      const owner = value.graph?.owner;
      if (!(owner instanceof GraphFunction)) return false;
      const index = owner.graph.inputs.indexOf(value);
      const fed = this.callsOf(owner).map((call) => call.inputs[index] ?? null);
      return fed.length > 0 && fed.every((given) => given !== null) && fed;
    }
    const node = value.producer;
    if (!node) return false;
    if (isConstantNode(node)) return true;
    const inputs = node.inputs.filter((input) => input !== null);
    const drawn = declaredOp(node.opKey)?.random;
    return inputs.length > 0 && node.subgraphs().length === 0 && !drawn && inputs;
  }
}

/** The output type in the attribute of a DequantizeLinear (operator set 23); null: that of its scale. */
function dequantizedType(node: Node): string | null {
  const to = node.attrs.get('output_dtype');
  return to?.kind === 'int' && Number(to.value) !== 0 ? dtypeFromOnnx(Number(to.value)) : null;
}

/** Whether a Transpose swaps the two axes of a matrix; null when it is meant for another rank. */
export function swapsMatrix(node: Node): boolean | null {
  const perm = node.attrs.get('perm');
  if (!perm) return true;
  if (perm.kind !== 'ints' || perm.value.length !== 2) return null;
  return Number(perm.value[0]) === 1;
}

/** The function that a graph belongs to, directly or as a subgraph of its body; null in the main graph. */
export function functionOf(graph: Graph | null): GraphFunction | null {
  for (let at = graph; at; at = at.outer) {
    if (at.owner instanceof GraphFunction) return at.owner;
  }
  return null;
}

/** The number of axes of a value, where it is known. */
export function rankOf(value: Value): number | null {
  return shapeOf(value)?.length ?? null;
}

/** Whether a node shows a part of its first input, or the elements in another shape. */
export function shows(node: Node): boolean {
  const { elements } = declaredOp(node.opKey) ?? {};
  return (elements !== undefined && elements !== 'repeated') || pickedIndex(node) !== null;
}

/** The constant index of a Gather that takes one slice of a tensor: `weight[3]`; null for any other node. */
export function pickedIndex(node: Node): number | null {
  const index = node.opKey === 'Gather' ? node.inputs[1] : null;
  const data = index ? constantData(index) : null;
  const whole = data?.dtype === 'i64' || data?.dtype === 'i32';
  return whole && data.shape.length === 0 ? (toIntegers(data)[0] ?? null) : null;
}

/** The stored tensor of which a value is a part, or the elements in another shape; null when it is computed. */
export function holderOf(value: Value): Value | null {
  let at = value;
  for (let steps = 0; steps < 64; steps++) {
    if (constantData(at)) return at;
    const source: Value | null | undefined = at.producer?.inputs[0];
    if (!at.producer || !source || !shows(at.producer)) return null;
    at = source;
  }
  return null;
}
