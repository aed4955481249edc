import type { WeightLayout } from '../../adapter/saved-plan.js';
import {
  computedWeight,
  constantLeft,
  inFunction,
  notAMatrix,
  notFloat,
  notLinear,
  otherOp,
  partOfWeight,
  transposedInput,
  zeroAlpha,
} from '../../ir/codes/refused-sites.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import { type DType, isFloat } from '../../ir/dtype.js';
import { type GraphFunction, type Model, type Node, nodePath, type Value } from '../../ir/model.js';
import { declaredOp, weightStep } from '../../ir/ops/index.js';
import { shapeText } from '../../ir/shape.js';
import { alphaOf, isSet } from './base-attrs.js';
import { functionOf, holderOf, Origins, type SiteWeight } from './origins.js';
import { BY_GROUPS, type SpecialLinear, specialLinear } from './special-linears.js';
import { equationOf, MATRIX, stackMember } from './stacked.js';

/** A node that multiplies by a weight. `problem` says, given the layer's name, why no adapter can go there. */
export interface SiteCandidate {
  readonly node: Node;
  /** the weight as the node reads it */
  readonly operand: Value;
  /** index of that input */
  readonly input: number;
  readonly stored: SiteWeight | null;
  readonly in: number | null;
  readonly out: number | null;
  readonly layout: WeightLayout;
  /** the tensor of which a weight that is not stored as it is read is a part */
  readonly partOf?: Value | null;
  /** the layer's input depends on stored data alone: learned queries, position tables */
  readonly constantInput?: boolean;
  /** not a layer by itself, only a use of a weight that a layer may read too */
  readonly onlyIfTied?: boolean;
  readonly problem: ((layer: string) => Diagnostic) | null;
}

/** The node that delivers the result of a linear layer whose product `node` computes. */
export function resultOf(node: Node): Node {
  return specialLinear(node)?.result?.(node) ?? node;
}

/**
 * Every node that multiplies by a stored or constant weight: MatMul, Gemm and FusedMatMul, the quantized and fused
 * operators in their place, and convolutions; main graph first, then subgraphs and function bodies, each in node
 * order. Products of two activations (attention scores) are not linear layers and are left out; what a layer makes of a
 * constant input (a projected position table) is an activation too, and so are matrices that are put together to a
 * stack. Reads no weight data.
 */
export function findCandidates(model: Model): readonly SiteCandidate[] {
  const origins = new Origins(model);
  const found: SiteCandidate[] = [];
  for (const graph of model.everyGraph()) {
    if (functionOf(graph)?.domain === 'lotrc') continue;
    for (const node of graph.nodes) {
      found.push(...candidatesOf(node, origins));
    }
  }
  const layers = found.filter(
    ({ node, constantInput, onlyIfTied }) => (constantInput && !onlyIfTied) || isStacked(node),
  );
  if (layers.length === 0) return found;
  const projected = dependents(layers, origins);
  return found.filter(({ stored, operand }) => stored !== null || !projected.has(operand));
}

/** Constant values that are computed from the results of layers. */
function dependents(layers: readonly SiteCandidate[], origins: Origins): ReadonlySet<Value> {
  const found = new Set<Value>(layers.flatMap(({ node }) => node.outputs));
  for (const value of found) {
    for (const { node } of value.uses) {
      for (const output of node.outputs) if (origins.isConstant(output)) found.add(output);
    }
  }
  return found;
}

/** Products of x with a matrix, of which alpha, transA and transB say more where the operator has them. */
export function isProduct(node: Node): boolean {
  const linear = declaredOp(node.opKey)?.linear;
  return linear?.form === 'product' && !linear.keeps;
}

/** The input by which a linear operator multiplies; null for any other operator. */
export function weightInput(node: Node): number | null {
  return isProduct(node) ? 1 : (specialLinear(node)?.weight ?? null);
}

function candidatesOf(node: Node, origins: Origins): readonly SiteCandidate[] {
  // what delivers nothing is not a layer
  if (origins.isCall(node) || node.outputs.length === 0) return [];
  if (node.opKey === 'Einsum') return einsum(node, origins);
  const other = specialLinear(node);
  const found = other
    ? [other.weight, ...(other.more ?? [])].map((input) => otherCandidate(node, other, input, origins))
    : isProduct(node)
      ? [product(node, origins)]
      : isConvolution(node)
        ? [convolution(node, origins)]
        : node.opKey === MATRIX
          ? [stacked(node, origins)]
          : [];
  return found.filter((candidate) => candidate !== null);
}

/** An Einsum that sums over axes of a stored tensor and is not a product with one matrix: those were written as MatMul. */
function einsum(node: Node, origins: Origins): readonly SiteCandidate[] {
  const { text, operands: letters, result } = equationOf(node);
  if (node.inputs.length !== 2 || letters.length !== 2) return [];
  return [1, 0].flatMap((input): SiteCandidate[] => {
    const [operand, other] = [node.inputs[input], node.inputs[1 - input]];
    const stored = operand ? origins.stored(operand) : null;
    if (!operand || !other || !stored || origins.isConstant(other) || stored.data.shape.length < 2) return [];
    if (!isFloat(stored.dtype as DType)) return [];
    const sums = [...letters[input]!].some(
      (letter) => /[A-Za-z]/.test(letter) && letters[1 - input]!.includes(letter) && !result.includes(letter),
    );
    if (!sums) return [];
    const keeps = `multiplies by it as ${text}, which is not a product with one matrix`;
    const problem = (layer: string) => otherOp({ ...at(node, input, layer), keeps });
    return [
      { node, operand, input, stored, in: null, out: null, layout: 'io', partOf: stored.weight, problem },
    ];
  });
}

/** A weight of an operator that multiplies in its own way. */
function otherCandidate(
  node: Node,
  other: SpecialLinear,
  input: number,
  origins: Origins,
): SiteCandidate | null {
  const operand = node.inputs[input];
  if (!operand || !origins.isConstant(operand)) return null;
  const stored = origins.stored(operand);
  const [rows, columns] = stored?.data.shape.length === 2 ? stored.data.shape : [null, null];
  const extent = (index: 0 | 1) => {
    const attr = other.extents && node.attrs.get(other.extents[index]);
    return attr?.kind === 'int' ? Number(attr.value) : null;
  };
  return {
    node,
    operand,
    input,
    stored,
    in: other.extents ? extent(0) : (rows ?? null),
    out: other.extents ? extent(1) : (columns ?? null),
    // (N, K) in blocks where attributes give the extents
    layout: other.extents ? 'oi' : 'io',
    problem:
      otherProblem(node, other, input, stored, origins) ??
      tooWide(node, other, stored, [extent(0), extent(1)]),
  };
}

/** Whether a node slides stored filters over its input: adapted when named, and no part of `all-linear`. */
export function isConvolution(node: Node): boolean {
  return declaredOp(node.opKey)?.linear?.form === 'window';
}

/** A matrix of a stack that was taken apart. */
function stacked(node: Node, origins: Origins): SiteCandidate | null {
  const operand = node.inputs[0];
  const stored = operand && stackMember(node) ? origins.stored(operand) : null;
  const shape = stored?.data.shape ?? [];
  if (!operand || !stored || stored.dequantize || shape.length !== 2 || shape.includes(0)) return null;
  if (!isFloat(stored.dtype as DType) || !isFloat(stored.data.dtype) || functionOf(node.graph)) return null;
  const [inn, out] = stored.transposed ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!];
  return { node, operand, input: 0, stored, in: inn, out, layout: 'io', problem: null };
}

/** Whether a node delivers one matrix of a stack: adapted when named, and no part of `all-linear`. */
export function isStacked(node: Node): boolean {
  return node.opKey === MATRIX;
}

/** A convolution by stored filters, of all channels or refused. */
function convolution(node: Node, origins: Origins): SiteCandidate | null {
  const operand = node.inputs[1];
  const group = node.attrs.get('group');
  if (!operand) return null;
  const stored = origins.stored(operand);
  const shape = stored?.data.shape ?? [];
  if (!stored || stored.via.some((step) => weightStep(step) === 'transpose') || shape.length < 3) return null;
  if (shape.includes(0) || !isFloat(stored.dtype as DType) || functionOf(node.graph)) return null;
  const [out = 0, ...patch] = shape;
  const inn = patch.reduce((a, b) => a * b, 1);
  // extents of a damaged file, which the verifier reports
  if (!Number.isSafeInteger(inn * out)) return null;
  const grouped = group?.kind === 'int' && Number(group.value) !== 1;
  const problem = grouped ? (layer: string) => notLinear({ ...at(node, 1, layer), does: BY_GROUPS }) : null;
  return { node, operand, input: 1, stored, in: inn, out, layout: 'oi', problem };
}

/** Why one of the other operators cannot take an adapter. */
function otherProblem(
  node: Node,
  { does, keeps, unless }: SpecialLinear,
  weight: number,
  stored: SiteWeight | null,
  origins: Origins,
): SiteCandidate['problem'] {
  if (does) return (layer) => notLinear({ ...at(node, weight, layer), does });
  const because = keeps ?? unless?.(node) ?? null;
  if (because !== null) return (layer) => otherOp({ ...at(node, weight, layer), keeps: because });
  const fn = functionOf(node.graph);
  if (fn) return insideFunction(node, fn, stored, origins);
  if (!stored)
    return (layer) => computedWeight({ ...at(node, weight, layer), from: describe(node.inputs[weight]!) });
  return null;
}

/**
 * A weight that holds less than the extents in the node's attributes say, at one bit each, or numbers that are not packed
 * integers: the attributes or the file are wrong.
 */
function tooWide(
  node: Node,
  { weight, extents }: SpecialLinear,
  stored: SiteWeight | null,
  [inn, out]: readonly (number | null)[],
): SiteCandidate['problem'] {
  if (!extents || !stored) return null;
  if (isFloat(stored.data.dtype)) {
    const keeps = `takes integers, and its weight is ${stored.data.dtype}`;
    return (layer) => otherOp({ ...at(node, weight, layer), keeps });
  }
  const fits = inn && out && inn > 0 && out > 0 && inn * out <= 8 * stored.data.byteLength;
  if (fits) return null;
  return (layer) =>
    otherOp({
      ...at(node, weight, layer),
      keeps: `says ${extents.join(' and ')} that its weight is too small for`,
    });
}

function product(node: Node, origins: Origins): SiteCandidate | null {
  const [left, right] = node.inputs;
  if (!left || !right) return null;
  if (!origins.isConstant(right) && !holderOf(right)) {
    if (!origins.isConstant(left)) return null;
    return leftConstant(node, left, isSet(node, 'transA'), origins);
  }
  const stored = origins.stored(right);
  const constantInput = origins.isConstant(left);
  // constants that meet no stored matrix are arithmetic of shapes and positions
  if (constantInput && stored?.data.shape.length !== 2) {
    const other = leftConstant(node, left, isSet(node, 'transA'), origins);
    return other?.stored ? { ...other, onlyIfTied: true } : null;
  }
  const layout: WeightLayout = isSet(node, 'transB') ? 'oi' : 'io';
  const shape = stored?.data.shape ?? staticShapeOf(right) ?? dequantizedShape(right, origins);
  const asRead = shape?.length === 2 && stored?.transposed ? [...shape].reverse() : shape;
  const [rows = null, columns = null] = asRead?.length === 2 ? asRead : [];
  const base = {
    node,
    operand: right,
    input: 1,
    stored,
    in: layout === 'io' ? rows : columns,
    out: layout === 'io' ? columns : rows,
    layout,
    partOf: stored ? null : holderOf(right),
    constantInput,
  };
  // an outer product of vectors projects nothing
  if (constantInput && (base.in ?? 0) < 2) return null;
  if (constantInput && addsToWeight(node, origins)) {
    return { ...base, onlyIfTied: true, problem: (layer) => partOfWeight(at(node, 1, layer)) };
  }
  return { ...base, problem: problemOf(node, right, stored, origins) };
}

/** The first reason against an adapter, most fundamental first. */
function problemOf(
  node: Node,
  operand: Value,
  stored: SiteWeight | null,
  origins: Origins,
): SiteCandidate['problem'] {
  const fn = functionOf(node.graph);
  if (fn) {
    return insideFunction(node, fn, stored, origins);
  }
  if (!stored) return (layer) => computedWeight({ ...at(node, 1, layer), from: describe(operand) });
  const { data, dtype, dequantize } = stored;
  // a quantised weight stays as it is: the adapter is parallel to it and reads x
  if ((!dequantize && !isFloat(data.dtype)) || !isFloat(dtype as DType)) {
    return (layer) => notFloat({ ...at(node, 1, layer), dtype: data.dtype });
  }
  if (data.shape.length !== 2 || data.shape.includes(0)) {
    return (layer) => notAMatrix({ ...at(node, 1, layer), shape: shapeText(data.shape) });
  }
  if (isSet(node, 'transA') || isSet(node, 'transBatchA'))
    return (layer) => transposedInput(at(node, 0, layer));
  if (alphaOf(node) === 0) return (layer) => zeroAlpha(at(node, 1, layer));
  return null;
}

function insideFunction(
  node: Node,
  fn: GraphFunction,
  stored: SiteWeight | null,
  origins: Origins,
): NonNullable<SiteCandidate['problem']> {
  const calls = origins.callsOf(fn).length;
  return (layer) =>
    inFunction({ ...at(node, 1, layer), fn: `${fn.domain}::${fn.name}`, calls, argument: !stored });
}

/**
 * Whether a product of constants is added to a stored matrix to make the weight of a layer: W + s B A, which the model
 * keeps in parts.
 */
function addsToWeight(node: Node, origins: Origins): boolean {
  let value = node.outputs[0]!;
  let added = false;
  for (let steps = 0; steps < 16; steps++) {
    const [use] = value.uses;
    if (!use || value.uses.size > 1) return false;
    const { node: next, index } = use;
    if (isProduct(next)) return added && index === 1;
    if (next.opKey === 'Add') {
      const other = next.inputs[1 - index];
      if ((other && (origins.stored(other)?.data.shape.length ?? 0)) !== 2) return false;
      added = true;
    } else if (!SCALES.has(next.opKey) && !keepsFloats(next)) return false;
    const [after] = next.outputs;
    if (!after) return false;
    value = after;
  }
  return false;
}

const SCALES: ReadonlySet<string> = new Set(['Mul', 'Div']);

function keepsFloats(node: Node): boolean {
  const step = weightStep(node);
  return step !== undefined && step !== 'dequantise';
}

function leftConstant(node: Node, left: Value, transA: boolean, origins: Origins): SiteCandidate | null {
  const stored = origins.stored(left);
  const shape = stored?.data.shape ?? staticShapeOf(left);
  // a constant of another rank (rotary frequencies, masks) is not a layer's weight
  if (shape?.length !== 2) return null;
  const swapped = transA !== (stored?.transposed ?? false);
  const [out = null, inn = null] = swapped ? [...shape].reverse() : shape;
  const layout: WeightLayout = transA ? 'io' : 'oi';
  return {
    node,
    operand: left,
    input: 0,
    stored,
    in: inn,
    out,
    layout,
    problem: (layer) => constantLeft(at(node, 0, layer)),
  };
}

function at(node: Node, input: number, layer: string) {
  return { layer, path: nodePath(node), op: node.op, input };
}

function staticShapeOf(value: Value): readonly number[] | null {
  const shape = value.type?.kind === 'tensor' ? value.type.shape : null;
  return shape?.every((dim): dim is number => typeof dim === 'number') ? (shape as readonly number[]) : null;
}

/** The shape of what a DequantizeLinear reads, which is that of its output. */
function dequantizedShape(value: Value, origins: Origins): readonly number[] | null {
  const node = value.producer;
  const packed = node && weightStep(node) === 'dequantise' ? node.inputs[0] : null;
  return packed ? (origins.stored(packed)?.data.shape ?? null) : null;
}

/** `DequantizeLinear "name" <- "w_q" (i8[768,768])`: the node that makes a weight and the stored tensors it reads. */
function describe(value: Value): string {
  const node = value.producer;
  if (!node) return `"${value.name}"`;
  const stored = node.inputs.find((input) => input?.constant);
  const from = stored?.constant
    ? ` <- "${stored.name}" (${stored.constant.dtype}${shapeText(stored.constant.shape)})`
    : '';
  return `${node.op} "${node.label}"${from}`;
}
