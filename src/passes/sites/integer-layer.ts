import { attrInt, type HeldAttr } from '../../ir/attr.js';
import { type Graph, Node, type Value } from '../../ir/model.js';

/**
 * A linear layer as dynamic quantisation writes it, with x rounded to 8 bits when the model runs:
 * `xq, xs, xz = DynamicQuantizeLinear(x)`, `y = Cast(MatMulInteger(xq, W, xz, wz)) * (xs * ws)`. An adapter is parallel to
 * it: it reads x as it was before the rounding and adds to y.
 */
export interface IntegerLayer {
  /** the MatMulInteger, whose name and documentation are the layer's */
  readonly product: Node;
  /** the nodes after it, up to the one that delivers y */
  readonly tail: readonly [Node, Node];
  readonly x: Value;
  readonly w: Value;
  /** xs * ws */
  readonly scales: Value;
}

/** Key of the op that multiplies. */
export const INTEGER_PRODUCT = 'MatMulInteger';

/** The layer that a MatMulInteger is part of; null when the nodes around it compute anything else. */
export function integerLayer(product: Node): IntegerLayer | null {
  const [xq, w, xz] = product.inputs;
  const rounding = xq?.producer;
  const [q, step, zero] = rounding?.outputs ?? [];
  const x = rounding?.inputs[0];
  if (product.opKey !== INTEGER_PRODUCT || rounding?.opKey !== 'DynamicQuantizeLinear') return null;
  if (!x || !w || xq !== q || xz !== zero) return null;
  const cast = onlyReader(product);
  const to = cast?.attrs.get('to');
  if (cast?.opKey !== 'Cast' || to?.kind !== 'int' || Number(to.value) !== 1) return null;
  const scale = onlyReader(cast);
  if (scale?.opKey !== 'Mul' || scale.graph !== product.graph) return null;
  const scales = scale.inputs.find((value) => value !== cast.outputs[0]);
  const both = scales?.producer;
  if (!scales || both?.opKey !== 'Mul' || !both.inputs.includes(step!)) return null;
  // a node with its own documentation or metadata is not replaced
  const plain = [cast, scale].every(
    (node) => !node.docString && node.metadata.size === 0 && !node.carried?.unknown.length,
  );
  return plain ? { product, tail: [cast, scale], x, w, scales } : null;
}

/** The layer whose result a node delivers. */
export function integerLayerOf(result: Node): IntegerLayer | null {
  for (const input of result.inputs) {
    const product = input?.producer?.inputs[0]?.producer;
    const layer = product ? integerLayer(product) : null;
    if (layer?.tail[1] === result) return layer;
  }
  return null;
}

/** The node that reads a node's one output, when that is the only reader. */
function onlyReader(node: Node): Node | null {
  const output = node.outputs[0]!;
  const [use] = output.uses;
  return output.uses.size === 1 && !output.isOutput ? use!.node : null;
}

/** Names of the three nodes and the values between them, for the nodes to come back as they were. */
export function innerNames({ product, tail: [cast, scale] }: IntegerLayer): readonly string[] {
  return [product.outputs[0]!.name, cast.name, cast.outputs[0]!.name, scale.name];
}

/**
 * Makes y before a node (null: at the end) from the operands that an adapted layer keeps: W, then scales, xq, xz, wz.
 * `result` names y; `names` what else there is, where that is known.
 */
export function buildIntegerLayer(
  graph: Graph,
  before: Node | null,
  w: Value,
  [scales, xq, xz, wz]: readonly (Value | null)[],
  attrs: Readonly<Record<string, HeldAttr>>,
  result: string,
  names: readonly string[] = [],
): { readonly y: Value; readonly product: Node } {
  const [out, castName, castOut, scaleName] = names;
  const free = (hint: string, own?: string) =>
    own !== undefined && !graph.own(own) ? own : graph.names.freshValue(hint);
  const place = (op: string, inputs: readonly (Value | null)[], output: string, name?: string, own = {}) => {
    const node = new Node({
      op,
      name: name ?? graph.names.freshNode(output),
      inputs,
      outputs: [output],
      attrs: Object.entries(own),
      origin: { from: [], pass: 'base' },
    });
    if (before) graph.insertBefore(before, node);
    else graph.attach(node);
    return node;
  };
  const operands = [xq ?? null, w, xz ?? null, wz ?? null];
  const product = place(INTEGER_PRODUCT, operands, free(`${result}/integer`, out), undefined, attrs);
  const cast = place('Cast', product.outputs, free(`${result}/cast`, castOut), castName, { to: attrInt(1) });
  const y = place('Mul', [cast.outputs[0]!, scales!], graph.names.freshValue(result), scaleName);
  return { y: y.outputs[0]!, product };
}
