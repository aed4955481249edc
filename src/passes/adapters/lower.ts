import type { Lowering } from '../../ir/adapter.js';
import { operandsOf } from '../../ir/adapter.js';
import { attrInt } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { notAChain } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx } from '../../ir/dtype.js';
import { type Graph, type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { f32Tensor } from '../../ir/tensor.js';
import { ADAPTED, baseOf, copyIdentity, deltaOf, factorCount, scaleOf } from './insert.js';

/**
 * Writes every `lotrc::LoTRLinear` in plain ONNX. The base node comes back with its name and metadata; its product gets
 * the name `<y>/base` and the sum with the adapter's part takes the public name y.
 *
 * - `fold` (training, many tokens): L' = s (F2 F3 ...) in weight space; y = base + (x F1) L'.
 * - `token` (few tokens): y = base + ((x F1) (s F2)) F3.
 *
 * Factors are float32; weight-space products are computed in float32 and cast to the layer's type at the end. Products
 * that several nodes of one graph need (a tied layer) are made once. With a zero factor the added part is exactly 0.
 * Throws LOTR3205 for einsums that are no chain of matrices.
 */
export function lowerAdapters(model: Model, form: Lowering): void {
  const shared = new Map<string, Value>();
  const ids = new Map<Graph | Value, number>();
  const id = (thing: Graph | Value): number => {
    const known = ids.get(thing) ?? ids.size;
    ids.set(thing, known);
    return known;
  };
  const once: Once = (parts, make) => {
    const key = parts.map((part) => (typeof part === 'object' ? `#${id(part)}` : String(part))).join('|');
    const held = shared.get(key) ?? make();
    shared.set(key, held);
    return held;
  };
  for (const graph of model.everyGraph()) {
    for (const node of graph.nodes) if (node.opKey === ADAPTED) lowerNode(graph, node, form, once);
  }
  if (![...model.everyNode()].some((node) => node.domain === 'lotrc')) model.removeOpset('lotrc');
}

/** Makes a value once for equal keys. */
type Once = (key: readonly (Graph | Value | string | number)[], make: () => Value) => Value;

/** What both forms need of a layer. */
interface Layer {
  readonly b: GraphBuilder;
  readonly x: Value;
  readonly factors: readonly Value[];
  readonly scale: number;
  /** element type of the layer */
  readonly compute: DType;
  /** public output name: prefix of new names */
  readonly name: string;
  readonly once: Once;
}

function lowerNode(graph: Graph, node: Node, form: Lowering, once: Once): void {
  requireChain(node);
  const count = factorCount(node);
  const [x, w] = [node.inputs[0]!, node.inputs[1]!];
  const factors = node.inputs.slice(2, 2 + count).map((value) => value!);
  const bias = node.inputs[2 + count];
  const output = node.outputs[0]!;
  const { name } = output;
  const { op, attrs } = baseOf(node);
  const base = new Node({
    op,
    name: node.name,
    inputs: bias ? [x, w, bias] : [x, w],
    outputs: [graph.names.freshValue(`${name}/base`)],
    attrs,
    origin: { from: node.origin.from },
  });
  copyIdentity(node, base);
  graph.insertBefore(node, base);
  const b = new GraphBuilder(graph, { before: node, pass: 'lower', from: node.origin.from, prefix: name });
  const layer: Layer = { b, x, factors, scale: scaleOf(node), compute: dtypeOf(w), name, once };
  const delta = form === 'fold' ? folded(layer) : byToken(layer);
  const sum = b.one('Add', [base.outputs[0]!, delta], {}, `${name}/sum`);
  supersede(output, sum, `${name}/adapter`);
  graph.erase(node);
}

/** (x F1) (s F2 F3 ...) */
function folded(layer: Layer): Value {
  const { b, x, factors, scale, name, once } = layer;
  const [first, ...rest] = factors;
  const product = rest.reduce((acc, factor) =>
    once([b.graph, 'product', acc, factor], () => b.one('MatMul', [acc, factor], {}, `${acc.name}/product`)),
  );
  const scaled = once([b.graph, 'scaled', scale, product], () =>
    b.one('Mul', [product, scaleOfGroup(layer)], {}, `${rest[0]!.name}/folded`),
  );
  const tokens = b.one('MatMul', [x, cast(layer, first!)], {}, `${name}/xR`);
  return b.one('MatMul', [tokens, cast(layer, scaled)], {}, `${name}/delta`);
}

/** ((x F1) (s F2)) F3 ... */
function byToken(layer: Layer): Value {
  const { b, x, factors, scale, name, once } = layer;
  return factors.reduce((tokens, factor, index) => {
    const scaled =
      index === 1
        ? once([b.graph, 'scaled', scale, factor], () =>
            b.one('Mul', [factor, scaleOfGroup(layer)], {}, `${factor.name}/scaled`),
          )
        : factor;
    const hint = index === 0 ? 'xR' : index === factors.length - 1 ? 'delta' : 'xRM';
    return b.one('MatMul', [tokens, cast(layer, scaled)], {}, `${name}/${hint}`);
  }, x);
}

/** The effective scale as a float32 constant of rank 0, once per value. */
function scaleOfGroup({ b, scale, once }: Layer): Value {
  return once(['scale', scale], () => b.constant(f32Tensor([], [scale]), 'lotr/scale'));
}

function cast({ b, compute, once }: Layer, factor: Value): Value {
  if (compute === 'f32') return factor;
  return once([b.graph, 'cast', factor, compute], () =>
    b.one('Cast', [factor], { to: attrInt(dtypeToOnnx(compute)) }, `${factor.name}/${compute}`),
  );
}

/** Element type of a weight as the layer reads it. */
export function dtypeOf(weight: Value): DType {
  if (weight.type?.kind === 'tensor') return weight.type.dtype;
  const { producer } = weight;
  const attr = producer?.attrs.get(producer.opKey === 'Cast' ? 'to' : 'value');
  if (attr?.kind === 'tensor') return attr.value.dtype;
  if (attr?.kind === 'int') return dtypeFromOnnx(Number(attr.value));
  const source = producer?.inputs[0];
  if (!source) throw new Error(`the type of weight "${weight.name}" is unknown`);
  return dtypeOf(source);
}

/** i a, a b, ..., z o: each operand begins where the one before it ended. */
export function requireChain(node: Node): void {
  const delta = deltaOf(node);
  const operands = operandsOf({ delta });
  const chained = operands.every(
    (letters, k) => letters.length === 2 && letters[0] === (k === 0 ? 'i' : operands[k - 1]![1]),
  );
  if (!chained || operands.length < 2 || operands.at(-1)![1] !== 'o') {
    fail(notAChain({ method: node.name, delta }));
  }
}
