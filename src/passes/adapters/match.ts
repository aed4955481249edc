import type { HeldAttr } from '../../ir/attr.js';
import { dtypeFromOnnx, isFloat } from '../../ir/dtype.js';
import { functionKey, type Model, type Node, type Value } from '../../ir/model.js';
import { toF64 } from '../../ir/values.js';
import { constantData } from '../sites/constant.js';
import { MATRIX } from '../sites/stacked.js';
import { baseLayer } from './base-layer.js';
import { CONVOLUTION, factorOf, slidesLike } from './conv-layer.js';
import { bodyText, defineFunction } from './function-body.js';
import { isOverridable } from './weight.js';

/** The entry of the plan for a layer. */
export interface Wanted {
  readonly op: string;
  readonly factors: readonly Value[];
  /** effective scale, rounded to float32 as files hold it */
  readonly scale: number;
}

/** An adapted layer found in plain ONNX or in a call. */
export interface FoundLayer {
  /** the node whose name, documentation and metadata the layer keeps */
  readonly identity: Node;
  /** null of a matrix in a stack */
  readonly x: Value | null;
  readonly w: Value;
  /** what else the base reads */
  readonly rest: readonly (Value | null)[];
  readonly attrs: readonly (readonly [string, HeldAttr])[];
  /** lotrc's own constants that the layer read */
  readonly constants: readonly Value[];
}

/**
 * Reads y = base(x, W) + x F1 F2 ... with the factor s somewhere in the product, however the product is bracketed: both
 * lowered forms, and equivalent ones. Returns the reason when the sum computes anything else.
 */
export function matchSum(model: Model, sum: Node, wanted: Wanted): FoundLayer | string {
  if (sum.opKey !== 'Add') return `its output comes from ${sum.opKey}, not from an Add`;
  const base = baseLayer(sum.inputs[0]?.producer, wanted.op);
  if (!base) return `the first operand of its sum is not the base ${wanted.op}`;
  const [y, delta] = [sum.inputs[0]!, sum.inputs[1]];
  if (y.uses.size > 1 || y.isOutput) return `"${y.name}", the base without the adapter, is read elsewhere`;
  const { identity, x, w, rest, attrs } = base;
  if ((!x && wanted.op !== MATRIX) || !w || !delta) return 'its base node or its sum lacks an input';
  const found: Value[] = [];
  const scales: Value[] = [];
  const constants: Value[] = [];
  if (x === null) {
    const part = chainOf(model, delta, wanted, scales);
    if (typeof part === 'string') return part;
    found.push(...part);
  }
  let tokens: Value = delta;
  while (x !== null && tokens !== x) {
    const node: Node | null = tokens.producer;
    const [left, right] = node?.inputs ?? [];
    const times: Multiplier | null =
      node && right ? multiplier(node, right, wanted.op, left === x ? attrs : []) : null;
    if (!left || !times) return `"${tokens.name}" is not a product with x`;
    if (times.shape) constants.push(times.shape);
    const part = chainOf(model, times.factor, wanted, scales);
    if (typeof part === 'string') return part;
    found.unshift(...part);
    tokens = left;
  }
  const inOrder = found.length === wanted.factors.length && found.every((f, k) => f === wanted.factors[k]);
  if (!inOrder) return `it multiplies x by ${names(found)}, the plan by ${names(wanted.factors)}`;
  const values = scales.map((value) => scalar(model, value));
  if (values.length !== 1 || values[0] !== wanted.scale) {
    return `it is scaled by ${values.join(' and ') || 'nothing'}, the plan by ${wanted.scale}`;
  }
  return { identity, x, w, rest, attrs, constants: [...scales, ...constants] };
}

interface Multiplier {
  readonly factor: Value;
  /** the constant that makes filters of it */
  readonly shape?: Value;
}

/** The matrix by which a node multiplies: its right operand, or what the filters of a convolution were made of. */
function multiplier(node: Node, right: Value, op: string, attrs: FoundLayer['attrs']): Multiplier | null {
  if (op !== CONVOLUTION) return node.opKey === 'MatMul' ? { factor: right } : null;
  return node.opKey === CONVOLUTION && slidesLike(node, attrs) ? factorOf(right) : null;
}

/** The factors that a weight-sized value is the product of, in order; scales met on the way are collected. */
function chainOf(model: Model, value: Value, wanted: Wanted, scales: Value[]): Value[] | string {
  if (wanted.factors.includes(value)) return [value];
  const node = value.producer;
  const [left, right] = node?.inputs ?? [];
  if (node?.opKey === 'Cast' && left) {
    const to = node.attrs.get('to');
    if (to?.kind === 'int' && isFloat(dtypeFromOnnx(Number(to.value))))
      return chainOf(model, left, wanted, scales);
  }
  if (node?.opKey === 'Mul' && left && right && scalar(model, right) !== null) {
    scales.push(right);
    return chainOf(model, left, wanted, scales);
  }
  if (node?.opKey === 'MatMul' && left && right) {
    const parts = [chainOf(model, left, wanted, scales), chainOf(model, right, wanted, scales)];
    return parts.find((part) => typeof part === 'string') ?? (parts as Value[][]).flat();
  }
  return `"${value.name}" is neither a factor nor a product of factors`;
}

/** The number that a stored float of one element holds; null for anything else. */
function scalar(model: Model, value: Value): number | null {
  const data = constantData(value);
  const one = data && isFloat(data.dtype) && data.shape.every((extent) => extent === 1);
  return one && !isOverridable(model, value) ? toF64(data)[0]! : null;
}

/** Reads a call of one of lotrc's functions: inputs are x, W, the factors and what else the base reads. */
export function matchCall(model: Model, call: Node, wanted: Wanted): FoundLayer | string {
  const fn = model.functions.get(functionKey(call.domain, call.op, call.overload));
  if (!fn) return `the model has no function ${call.opKey}`;
  const count = wanted.factors.length;
  const [x, w, ...rest] = call.inputs;
  if (!x || !w) return 'its call lacks an input';
  if (!wanted.factors.every((factor, k) => rest[k] === factor)) {
    return `its call reads ${names(rest.slice(0, count))}, the plan ${names(wanted.factors)}`;
  }
  const scale = call.attrs.get('scale');
  const value = scale?.kind === 'float' ? scale.value : null;
  if (value !== wanted.scale) return `it is scaled by ${value ?? 'nothing'}, the plan by ${wanted.scale}`;
  const others = rest.slice(count);
  const half = [...fn.graph.nodes].some(({ op }) => op === 'CastLike');
  const form = { op: wanted.op, count, rest: others.length, half, opset: fn.opsets.get('') ?? 0 };
  if (bodyText(fn) !== bodyText(defineFunction(call.op, form))) {
    return `the function ${call.opKey} was changed`;
  }
  const attrs = [...call.attrs].filter(([name]) => name !== 'scale');
  return { identity: call, x, w, rest: others, attrs, constants: [] };
}

function names(values: readonly (Value | null)[]): string {
  return values.map((value) => `"${value?.name ?? ''}"`).join(', ') || 'nothing';
}
