import { usualExtent } from '../../adapter/contraction.js';
import type { Lowering } from '../../adapter/saved-plan.js';
import {
  type DeltaSplit,
  type DeltaTerm,
  deltaTerm,
  splitAtInput,
  type Term,
  type TokenStep,
  tokenSteps,
} from '../../adapter/terms.js';
import { emitTerm, type NodeMaker } from '../../adapter/to-onnx/weight-space.js';
import { attrInt, attrInts, type HeldAttr } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { noPlainForm } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx, isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import type { WeightStep } from '../../ir/ops/core/define.js';
import { weightStep } from '../../ir/ops/index.js';
import { supersede } from '../../ir/supersede.js';
import { f32Tensor, i64Tensor } from '../../ir/tensor.js';
import { outputsByName, patchPlan, readPlan } from '../plan/plan.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import { ADAPTED, baseOf, deltaOf, dropOpset, factorCount, scaleOf } from './adapted-node.js';
import { placeBaseLayer } from './base-layer.js';
import { CONVOLUTION, filterShape, filtersOf } from './conv-layer.js';
import { wholeFactor } from './leading-part.js';
import { addStored, storedWeight } from './stored-weight.js';

/**
 * Writes every `lotrc::LoTRLinear`, or those that are chosen, in plain ONNX; returns how many. The base node comes back with its name and
 * metadata; its product gets the name `<y>/base` and the sum with the adapter's part takes the public name y.
 *
 * - `fold` (training, many tokens): L' = s (F2 F3 ...) in weight space; y = base + (x F1) L'.
 * - `token` (few tokens): y = base + ((x F1) (s F2)) F3, where x can be multiplied by one factor after another.
 * - `dense`: D in weight space; the layer reads W + s D, or x D is added where its weight is not a matrix as it is.
 *
 * An einsum that has no such form is written in the next one of this list.
 *
 * Factors are float32; weight-space products are computed in float32 and cast to the layer's type at the end. They are
 * placed in the main graph, before the first layer that needs them, also for layers in subgraphs: a loop does not
 * repeat them, and a tied layer makes them once. With a zero factor the added part is exactly 0. Throws LOTR3205 for
 * products that only Einsum can write where the operator set lacks it.
 */
export function lowerAdapters(
  model: Model,
  form: Lowering,
  chosen: (layer: Node) => boolean = () => true,
): number {
  const layers = adaptedLayers(model).filter(({ node }) => chosen(node));
  const labels = labelsOf(model);
  const held = new Map<string, Value>();
  const ids = new Map<Value, number>();
  const id = (value: Value): string => {
    const known = ids.get(value) ?? ids.size;
    ids.set(value, known);
    return `#${known}`;
  };
  const once: Once = (parts, make) => {
    const key = parts.map((part) => (typeof part === 'object' ? id(part) : String(part))).join('|');
    const value = held.get(key) ?? make();
    held.set(key, value);
    return value;
  };
  for (const { node, anchor } of layers) lowerNode(model, node, anchor, form, once, labels.get(node));
  if (layers.length > 0) patchPlan(model, { lowering: form });
  dropOpset(model);
  return layers.length;
}

/**
 * The form in which the gradients of the trained factors of a layer are cheapest: `token` where the last factor is not
 * trained but one between it and the first is, so that dy is multiplied by the last factor, and everything else is as
 * small as a rank. In `fold` the gradient of the folded factor is as wide as the layer.
 */
export function trainingForm(layer: Node, trained: (factor: string) => boolean): Lowering {
  const term = deltaTerm(deltaOf(layer));
  const steps = tokenSteps(term);
  const factors = layer.inputs.slice(2, 2 + factorCount(layer)).map((value) => value!);
  const isTrained = (operand: number): boolean => trained(wholeFactor(factors[operand]!).name);
  const last = steps?.at(-1);
  if (!steps || !last || last.by === 'vector' || isTrained(last.operand)) return 'fold';
  const between = steps.slice(1, -1);
  if (!between.some(({ operand }) => isTrained(operand))) return 'fold';
  const extent = extentsOf({ term, factors });
  const volume = ({ operand }: TokenStep): number =>
    term.operands[operand]!.reduce((product, letter) => product * extent(letter), 1);
  // for each token: forward, to the left and to the factor itself
  const more = 3 * between.reduce((sum, step) => sum + volume(step), 0);
  return more < volume(last) ? 'token' : 'fold';
}

/** Makes a value once for equal keys. */
type Once = (key: readonly (Value | string | number)[], make: () => Value) => Value;

/** How a layer's new values are called. */
interface Label {
  /** `lotr/<site>` */
  readonly prefix: string;
  /** names of the factors: R, M, L */
  readonly factors: readonly string[];
}

/** Adapted nodes in the order of the main-graph nodes that hold them, each with that node: what goes before it is seen. */
function adaptedLayers(model: Model): readonly { readonly node: Node; readonly anchor: Node }[] {
  const found: { readonly node: Node; readonly anchor: Node }[] = [];
  for (const node of model.everyNode()) {
    if (node.opKey !== ADAPTED) continue;
    let anchor = node;
    while (anchor.graph?.owner instanceof Node) anchor = anchor.graph.owner;
    found.push({ node, anchor });
  }
  if (found.every(({ node, anchor }) => node === anchor)) return found;
  const position = new Map([...model.graph.nodes].map((node, index) => [node, index]));
  return found.sort((a, b) => (position.get(a.anchor) ?? 0) - (position.get(b.anchor) ?? 0));
}

/** Labels of the plan's layers. */
function labelsOf(model: Model): ReadonlyMap<Node, Label> {
  const labels = new Map<Node, Label>();
  const outputs = outputsByName(model);
  for (const { spec, sites } of readPlan(model)?.plans ?? []) {
    const factors = spec.factors.map(({ name }) => name);
    for (const site of sites) {
      for (const use of site.uses) {
        const node = outputs.get(use.output)?.producer;
        // printable ASCII without spaces, whatever the module is called
        const prefix = `${spec.method}/${site.id}`.replace(/[^!-~]/g, '_');
        if (node) labels.set(node, { prefix, factors });
      }
    }
  }
  return labels;
}

/** What both forms need of a layer. */
interface Layer {
  /** makes nodes at the place of the layer */
  readonly b: GraphBuilder;
  /** makes weight-space nodes in the main graph */
  readonly weights: GraphBuilder;
  readonly node: Node;
  readonly model: Model;
  readonly term: DeltaTerm;
  /** null of a matrix in a stack: its adapter is added to the matrix */
  readonly x: Value | null;
  readonly factors: readonly Value[];
  readonly scale: number;
  /** element type of the layer */
  readonly compute: DType;
  readonly label: Label;
  readonly once: Once;
  /** how the layer slides over x, when it is a convolution */
  readonly conv: {
    readonly filters: readonly number[];
    readonly attrs: Readonly<Record<string, HeldAttr>>;
  } | null;
}

function lowerNode(
  model: Model,
  node: Node,
  anchor: Node,
  form: Lowering,
  once: Once,
  known: Label | undefined,
): void {
  const graph = node.graph!;
  const count = factorCount(node);
  const [x, w] = [node.inputs[0] ?? null, node.inputs[1]!];
  const factors = node.inputs.slice(2, 2 + count).map((value) => value!);
  const output = node.outputs[0]!;
  const place = { pass: 'lower', from: node.origin.from };
  const term = deltaTerm(deltaOf(node));
  const conv = convolutionOf(node, w);
  const how = strategyOf(form, term, conv !== null);
  const dense = x !== null && how === 'dense' && takesMatrix(node);
  const base = dense ? null : placeBaseLayer(node, w, `${output.name}/base`);
  const b = new GraphBuilder(graph, { ...place, before: node });
  // in a function body the weight-space nodes are there too
  const weights = anchor.graph === graph ? b : new GraphBuilder(anchor.graph!, { ...place, before: anchor });
  const label = known ?? { prefix: output.name, factors: factors.map((_, k) => `F${k + 1}`) };
  const layer: Layer = {
    b,
    weights,
    node,
    model,
    term,
    x,
    factors,
    scale: scaleOf(node),
    compute: layerType(node),
    label,
    once,
    conv,
  };
  const y = base
    ? b.one('Add', [base, added(layer, x, how)], {}, `${label.prefix}/y`)
    : placeBaseLayer(node, denseWeight(layer, w), `${label.prefix}/y`);
  supersede(output, y, `${label.prefix}/adapted`);
  graph.erase(node);
}

/** How a form is written for an einsum: in the nearest way that it has. A convolution has no vectors over single places. */
function strategyOf(form: Lowering, term: DeltaTerm, slides: boolean): Lowering {
  if (form === 'token' && !slides && tokenSteps(term)) return 'token';
  return form !== 'dense' && splitAtInput(term) ? 'fold' : 'dense';
}

/** Whether a layer multiplies x by its weight as it is, so that D can be added to that. */
function takesMatrix(node: Node): boolean {
  const { key } = baseOf(node);
  return (key === 'MatMul' || key === 'Gemm') && alphaOf(node) !== 0 && isFloat(dtypeOf(node.inputs[1]!));
}

/** What is added to the result of the base. */
function added(layer: Layer, x: Value | null, how: Lowering): Value {
  if (x === null) return wholeDelta(layer, layer.scale);
  if (how === 'token') return byToken(layer, x);
  if (how === 'fold') return folded(layer, x, splitAtInput(layer.term)!);
  return times(layer, x, wholeDelta(layer, layer.scale), `${layer.label.prefix}/delta`);
}

/** W + (s / alpha) D, transposed where the layer reads W so. */
function denseWeight(layer: Layer, w: Value): Value {
  const { b, node, label, once, weights } = layer;
  const delta = wholeDelta(layer, layer.scale / alphaOf(node));
  const perm = attrInts([1, 0]);
  const turned = isSet(node, 'transB')
    ? once(['transposed', delta], () => weights.one('Transpose', [delta], { perm }, `${label.prefix}/D/T`))
    : delta;
  return b.one('Add', [w, turned], {}, `${label.prefix}/W`);
}

/** s D in the layer's type. */
function wholeDelta(layer: Layer, scale: number): Value {
  const all = layer.factors.map((_, k) => k);
  return scaledTerm(layer, layer.term, all, scale);
}

/** A term over some of the factors, scaled, in the layer's type. */
function scaledTerm(layer: Layer, term: Term, operands: readonly number[], scale: number): Value {
  const { factors, label } = layer;
  const lettersOf = (own: readonly number[]) => own.map((k) => label.factors[operands[k]!]!).join('');
  const values = operands.map((k) => factors[k]!);
  const product = emitTerm(
    nodesOf(layer),
    term,
    values,
    extentsOf(layer),
    (own) => `${label.prefix}/${lettersOf(own)}`,
  );
  const letters = lettersOf(operands.map((_, k) => k));
  return cast(layer, scaled(layer, product, letters, scale), `s${letters}`);
}

/** Makes weight-space nodes, equal ones once. */
function nodesOf({ model, node, weights, once }: Layer): NodeMaker {
  const { opset } = weights;
  return {
    opset,
    node: (op, inputs, attrs, name) => {
      if (op === 'Einsum' && opset < EINSUM_OPSET)
        fail(noPlainForm({ node: node.name, delta: deltaOf(node), opset }));
      const text = Object.entries(attrs).map(
        ([key, attr]) => `${key}=${'value' in attr ? String(attr.value) : ''}`,
      );
      return once([op, text.join(), ...inputs], () => weights.one(op, inputs, attrs, name));
    },
    integers: (values) =>
      once(['integers', values.join()], () =>
        addStored(model, model.graph.names.freshValue('lotr/axes'), i64Tensor([values.length], values)),
      ),
  };
}

/** The operator set that has Einsum. */
const EINSUM_OPSET = 12;

/** Extents by which orders are priced: those of the factors, or usual ones where these are symbolic. */
function extentsOf({ term, factors }: Pick<Layer, 'term' | 'factors'>): (letter: string) => number {
  const extents = new Map<string, number>();
  for (const [k, letters] of term.operands.entries()) {
    const { constant, type } = factors[k]!;
    const shape = constant?.shape ?? (type?.kind === 'tensor' ? type.shape : null);
    for (const [axis, letter] of letters.entries()) {
      const dim = shape?.[axis];
      if (typeof dim === 'number') extents.set(letter, dim);
    }
  }
  const usual = usualExtent(term);
  return (letter) => extents.get(letter) ?? usual(letter);
}

/** (x F) (s times the rest) */
function folded(layer: Layer, x: Value, { first, others, rest }: DeltaSplit): Value {
  const { factors, label } = layer;
  const wide = scaledTerm(layer, rest, others, layer.scale);
  const tokens = times(layer, x, cast(layer, factors[first]!), `${label.prefix}/x${label.factors[first]}`);
  return times(layer, tokens, wide, `${label.prefix}/delta`);
}

/** x F: of a convolution, the patches of x times the first factor, and single places times the others. */
function times(layer: Layer, x: Value, factor: Value, name: string): Value {
  const { b, weights, conv, once, model } = layer;
  if (!conv) return b.one('MatMul', [x, factor], {}, name);
  const patches = x === layer.x;
  const extents = filterShape(patches ? conv.filters.slice(1) : null, conv.filters.length);
  const shape = once(['shape', extents.join()], () =>
    addStored(model, model.graph.names.freshValue('lotr/filters'), i64Tensor([extents.length], extents)),
  );
  const filters = once(['filters', factor, shape], () => filtersOf(weights, factor, shape));
  return b.one('Conv', [x, filters], patches ? conv.attrs : {}, name);
}

/** Shape of the filters, and attributes, of a layer that is a convolution. */
function convolutionOf(node: Node, filters: Value): Layer['conv'] {
  const { key, attrs } = baseOf(node);
  if (key !== CONVOLUTION) return null;
  return { filters: storedWeight(filters)!.data.shape, attrs: Object.fromEntries(attrs) };
}

/** ((x F1) (s F2)) F3 ...: matrices as MatMul, vectors as Mul */
function byToken(layer: Layer, x: Value): Value {
  const { b, factors, label, scale } = layer;
  const steps = tokenSteps(layer.term)!;
  const scaledAt = Math.min(1, steps.length - 1);
  let letters = 'x';
  return steps.reduce((tokens, { operand, by }, index) => {
    const own = label.factors[operand]!;
    const factor = factors[operand]!;
    letters += own;
    const ready =
      index === scaledAt ? cast(layer, scaled(layer, factor, own, scale), `s${own}`) : cast(layer, factor);
    const name = `${label.prefix}/${index === steps.length - 1 ? 'delta' : letters}`;
    return by === 'vector' ? b.one('Mul', [tokens, ready], {}, name) : times(layer, tokens, ready, name);
  }, x);
}

/** s V for a weight-space value V; the scale is a float32 constant of rank 0, one per value. */
function scaled({ model, weights, label, once }: Layer, value: Value, letters: string, scale: number): Value {
  const factor = once(['scale', scale], () =>
    addStored(model, model.graph.names.freshValue('lotr/scale'), f32Tensor([], [scale])),
  );
  return once(['scaled', scale, value], () =>
    weights.one('Mul', [value, factor], {}, `${label.prefix}/s${letters}`),
  );
}

/** A weight-space value in the layer's type. `name`: last part of the new name, for values that belong to the site. */
function cast({ weights, compute, label, once }: Layer, value: Value, name?: string): Value {
  if (compute === 'f32') return value;
  const hint = name ? `${label.prefix}/${name}` : value.name;
  return once(['cast', value, compute], () =>
    weights.one('Cast', [value], { to: attrInt(dtypeToOnnx(compute)) }, `${hint}/${compute}`),
  );
}

/** attributes that say the element type of a result */
const TYPE_ATTRS: Readonly<Partial<Record<WeightStep, string>>> = { cast: 'to', dequantise: 'output_dtype' };

/** Element type that an adapted layer computes in: that of its weight, or of the scales that a packed weight comes with. */
export function layerType(node: Node): DType {
  const dtype = dtypeOf(node.inputs[1]!);
  const scales = node.inputs[2 + factorCount(node)];
  return isFloat(dtype) || !scales ? dtype : dtypeOf(scales);
}

/** Element type of a weight as the layer reads it. */
export function dtypeOf(weight: Value): DType {
  if (weight.type?.kind === 'tensor') return weight.type.dtype;
  // a stored tensor may be declared as an optional one
  if (weight.constant) return weight.constant.dtype;
  const { producer } = weight;
  const step = producer ? weightStep(producer) : undefined;
  const attr = producer?.attrs.get(TYPE_ATTRS[step ?? 'same'] ?? 'value');
  if (attr?.kind === 'tensor') return attr.value.dtype;
  if (attr?.kind === 'int' && Number(attr.value) !== 0) return dtypeFromOnnx(Number(attr.value));
  const source = producer?.inputs[step === 'dequantise' ? 1 : 0];
  if (!source) throw new Error(`the type of weight "${weight.name}" is unknown`);
  return dtypeOf(source);
}
