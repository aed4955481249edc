import type { Lowering } from '../../adapter/saved-plan.js';
import {
  type DeltaSplit,
  type DeltaTerm,
  deltaTerm,
  splitAtInput,
  type TokenStep,
  tokenSteps,
} from '../../adapter/terms.js';
import { wrapScale } from '../../adapter/to-numbers/wrap.js';
import { attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { type DType, dtypeFromOnnx, isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import type { WeightStep } from '../../ir/ops/core/define.js';
import { weightStep } from '../../ir/ops/index.js';
import { supersede } from '../../ir/supersede.js';
import { i64Tensor } from '../../ir/tensor.js';
import { outputsByName, patchPlan, readPlan } from '../plan/plan.js';
import { alphaOf, isSet } from '../sites/base-attrs.js';
import {
  ADAPTED,
  baseOf,
  deltaOf,
  dropOpset,
  factorCount,
  scaleOf,
  statedShape,
  wrapOfNode,
} from './adapted-node.js';
import { placeBaseLayer } from './base-layer.js';
import { CONVOLUTION, filterShape, filtersOf } from './conv-layer.js';
import { wholeFactor } from './leading-part.js';
import { addStored, storedWeight } from './stored-weight.js';
import { cast, extentsOf, type Label, type Layer, type Once, scaled, scaledTerm } from './weight-terms.js';
import { wrappedWeight } from './wrapped-weight.js';

/**
 * Writes every `lotrc::LoTRLinear`, or those that are chosen, in plain ONNX; returns how many. The base node comes back with its name and
 * metadata; its product gets the name `<y>/base` and the sum with the adapter's part takes the public name y.
 *
 * - `fold` (training, many tokens): L' = s (F2 F3 ...) in weight space; y = base + (x F1) L'.
 * - `token` (few tokens): y = base + ((x F1) (s F2)) F3, where x can be multiplied by one factor after another.
 * - `dense`: D in weight space; the layer reads W + s D, or x D is added where its weight is not a matrix as it is.
 *
 * An einsum that has no such form is written in the next one of this list, and so is any wrap but W + s D. "detached": norms of
 * columns whose gradients are not wanted go through lotrc::Detach, which runtimes do not have. `changed` is told of s D in float32,
 * a value of the main graph, for each layer that is written `dense`.
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
  norms: 'plain' | 'detached' = 'plain',
  changed?: (layer: Node, change: Value) => void,
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
  for (const { node, anchor } of layers)
    lowerNode(model, node, anchor, { form, norms, changed: changed ?? null }, once, labels.get(node));
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

/** How layers are written. */
interface How {
  readonly form: Lowering;
  readonly norms: 'plain' | 'detached';
  readonly changed: ((layer: Node, change: Value) => void) | null;
}

function lowerNode(
  model: Model,
  node: Node,
  anchor: Node,
  { form, norms, changed }: How,
  once: Once,
  known: Label | undefined,
): void {
  const graph = node.graph!;
  const count = factorCount(node);
  const [x, w] = [node.inputs[0] ?? null, node.inputs[1]!];
  const all = node.inputs.slice(2, 2 + count).map((value) => value!);
  const output = node.outputs[0]!;
  const place = { pass: 'lower', from: node.origin.from };
  const term = deltaTerm(deltaOf(node));
  const factors = all.slice(0, term.operands.length);
  const conv = convolutionOf(node, w);
  const wrap = wrapOfNode(node);
  const how = wrap === 'add' ? strategyOf(form, term, conv !== null) : 'dense';
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
    lengths: all[term.operands.length] ?? null,
    shape: statedShape(node),
    scale: scaleOf(node),
    compute: layerType(node),
    label,
    once,
    conv,
    changed: changed && ((change) => changed(node, change)),
  };
  const y = base
    ? b.one('Add', [base, added(layer, x, how)], {}, `${label.prefix}/y`)
    : placeBaseLayer(node, changedWeight(layer, w, norms), `${label.prefix}/y`);
  supersede(output, y, `${label.prefix}/adapted`);
  graph.erase(node);
}

/** How a form is written for an einsum: in the nearest way that it has. A convolution has no vectors over single places. */
function strategyOf(form: Lowering, term: DeltaTerm, slides: boolean): Lowering {
  if (form === 'token' && !slides && tokenSteps(term)) return 'token';
  return form !== 'dense' && splitAtInput(term) ? 'fold' : 'dense';
}

/** Whether a layer multiplies x by its weight as it is, so that D can be added to that. */
export function takesMatrix(node: Node): boolean {
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

/** What a dense layer reads in place of W, transposed where the layer reads W so. */
function changedWeight(layer: Layer, w: Value, norms: 'plain' | 'detached'): Value {
  const { b, node, label, term, factors } = layer;
  const wrap = wrapOfNode(node);
  const operands = factors.map((_, k) => k);
  const scale = wrapScale(wrap, layer.scale, alphaOf(node));
  const delta = scaledTerm(layer, term, operands, scale, 'as one');
  layer.changed?.(delta.value);
  if (wrap !== 'add') return wrappedWeight(layer, w, turned(layer, delta.value), wrap, norms);
  const added = turned(layer, cast(layer, delta.value, `s${delta.letters}`));
  return b.one('Add', [w, added], {}, `${label.prefix}/W`);
}

/** A weight-space matrix (in, out) in the way that the layer reads its weight. */
function turned({ node, once, weights, label }: Layer, value: Value): Value {
  if (!isSet(node, 'transB')) return value;
  const perm = attrInts([1, 0]);
  return once(['transposed', value], () =>
    weights.one('Transpose', [value], { perm }, `${label.prefix}/D/T`),
  );
}

/** s D in the layer's type. */
function wholeDelta(layer: Layer, scale: number): Value {
  const operands = layer.factors.map((_, k) => k);
  const { value, letters } = scaledTerm(layer, layer.term, operands, scale, 'written out');
  layer.changed?.(value);
  return cast(layer, value, `s${letters}`);
}

/** (x F) (s times the rest) */
function folded(layer: Layer, x: Value, { first, others, rest }: DeltaSplit): Value {
  const { factors, label } = layer;
  const { value, letters } = scaledTerm(layer, rest, others, layer.scale, 'written out');
  const wide = cast(layer, value, `s${letters}`);
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
