import { GraphBuilder } from '../../ir/builder.js';
import { unpackedLayers } from '../../ir/codes/sites.js';
import { canTakeName, type Model, type Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { copyIdentity } from '../adapters/insert.js';
import { dropStored } from '../adapters/weight.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import { functionOf, Origins } from '../sites/constant.js';
import { type Parts, unpackAttention } from './attention.js';
import { inlineLayerCalls } from './calls.js';
import { unpackEinsum } from './einsum.js';
import { unpackFusedGemm } from './fused-gemm.js';

/** Makes what stands for a node's outputs, before it; null: the node is of a form that stays. */
type Unpack = (b: GraphBuilder, node: Node, origins: Origins, parts: Parts) => readonly Value[] | null;

const TABLE: ReadonlyMap<string, Unpack> = new Map<string, Unpack>([
  ['Einsum', unpackEinsum],
  ['com.microsoft::Attention', unpackAttention],
  ['com.microsoft::FusedGemm', unpackFusedGemm],
]);

/** What was changed: calls inlined, and nodes taken apart by operator. */
export interface Unpacked {
  readonly calls: number;
  readonly nodes: ReadonlyMap<string, number>;
}

/**
 * Brings linear layers that a form hides into the open, in place: calls of functions with layers in them are inlined,
 * and operators that hold a layer together with what follows it are written as several. Names of outputs stay, and names
 * that are new depend on the model alone, so that an adapter finds the same layers in the same base again. What has no
 * layer with a stored weight, or a form that is not covered, is left as it is.
 */
export function unpackLayers(model: Model): Unpacked {
  const calls = inlineLayerCalls(model);
  const nodes = new Map<string, number>();
  const origins = new Origins(model);
  const found = [...model.everyNode()].filter(
    (node) =>
      TABLE.has(node.opKey) &&
      !functionOf(node.graph) &&
      !origins.isCall(node) &&
      node.inputs.some((input) => input && origins.stored(input)),
  );
  if (found.length === 0) return { calls, nodes };
  inferShapes(model); // forms of masks are told by their shapes
  const parts: Parts = new Map();
  for (const node of found) {
    if (!unpack(model, node, origins, parts)) continue;
    nodes.set(node.opKey, (nodes.get(node.opKey) ?? 0) + 1);
  }
  if (nodes.size > 0) inferShapes(model);
  return { calls, nodes };
}

function unpack(model: Model, node: Node, origins: Origins, parts: Parts): boolean {
  const graph = node.graph!;
  const b = new GraphBuilder(graph, { before: node, pass: 'unpack', from: [node.name] });
  const made = TABLE.get(node.opKey)!(b, node, origins, parts);
  if (!made) return false;
  copyIdentity(node, made[0]!.producer!);
  for (const [index, output] of node.outputs.entries()) {
    const fresh = made[index];
    if (output.name === '' || !fresh) continue;
    supersede(
      output,
      canTakeName(output, fresh) ? fresh : b.one('Identity', [fresh]),
      `${output.name}/packed`,
    );
  }
  const weights = node.inputs.filter((input) => input?.constant);
  graph.erase(node);
  for (const weight of weights) if (weight) dropStored(model, weight);
  return true;
}

export const unpackPass = definePass<object>({
  name: 'unpack',
  summary: 'inline functions with linear layers, and split fused layers into product and rest',
  options: {},
  run(model, _options, ctx) {
    const { calls, nodes } = unpackLayers(model);
    ctx.stat('calls', calls);
    for (const [op, count] of nodes) ctx.stat(op, count);
    if (calls === 0 && nodes.size === 0) return 'unchanged';
    ctx.report(unpackedLayers({ calls, nodes }));
    return 'changed';
  },
});
