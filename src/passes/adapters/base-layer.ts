import type { HeldAttr } from '../../ir/attr.js';
import { Node, type Value } from '../../ir/model.js';
import { buildIntegerLayer, INTEGER_PRODUCT, innerNames, integerLayerOf } from '../sites/integer-layer.js';
import { MATRIX } from '../sites/stacked.js';
import { baseOf, copyIdentity, factorCount } from './adapted-node.js';

/** A layer without its adapter, as it is in a graph: one node, or the few of an integer layer. */
export interface BaseLayer {
  /** the node whose name, documentation and metadata are the layer's */
  readonly identity: Node;
  /** delivers y */
  readonly result: Node;
  /** null for a matrix in a stack: the adapter is added to the matrix itself */
  readonly x: Value | null;
  readonly w: Value | null;
  /** the other inputs of the layer */
  readonly rest: readonly (Value | null)[];
  readonly attrs: readonly (readonly [string, HeldAttr])[];
}

/** The layer of base op `op` whose result a node delivers; null when there is none. */
export function baseLayer(result: Node | null | undefined, op: string): BaseLayer | null {
  if (!result) return null;
  if (op === INTEGER_PRODUCT) {
    const layer = integerLayerOf(result);
    if (!layer) return null;
    const { product, x, w, scales } = layer;
    const [xq, , xz, wz] = product.inputs;
    const names = innerNames(layer).map((name) => new TextEncoder().encode(name));
    return {
      identity: product,
      result,
      x,
      w,
      rest: [scales, xq ?? null, xz ?? null, wz ?? null],
      attrs: [...product.attrs, [NAMES, { kind: 'strings', value: names }]],
    };
  }
  if (result.opKey !== op) return null;
  if (op === MATRIX)
    return { identity: result, result, x: null, w: result.inputs[0] ?? null, rest: [], attrs: [] };
  const [x = null, w = null, ...rest] = result.inputs;
  return { identity: result, result, x, w, rest, attrs: [...result.attrs] };
}

/** Attribute of an adapted integer layer: what its nodes are called. Calls of functions do not carry it. */
export const NAMES = 'names';

/** Makes the base of an adapted node before it, reading `weight`; returns its result, called `hint` or like it. */
export function placeBaseLayer(node: Node, weight: Value, hint: string): Value {
  const graph = node.graph!;
  const { key, op, domain, attrs } = baseOf(node);
  const rest = node.inputs.slice(2 + factorCount(node));
  if (key === INTEGER_PRODUCT) {
    const held = node.attrs.get(NAMES);
    const names = held?.kind === 'strings' ? held.value.map((name) => new TextDecoder().decode(name)) : [];
    const own = Object.fromEntries(attrs.filter(([name]) => name !== NAMES));
    const { y, product } = buildIntegerLayer(graph, node, weight, rest, own, hint, names);
    product.rename(node.name);
    copyIdentity(node, product);
    return y;
  }
  const base = new Node({
    op,
    domain,
    name: node.name,
    inputs: key === MATRIX ? [weight] : [node.inputs[0]!, weight, ...rest],
    outputs: [graph.names.freshValue(hint)],
    attrs,
    origin: { from: node.origin.from },
  });
  copyIdentity(node, base);
  graph.insertBefore(node, base);
  return base.outputs[0]!;
}
