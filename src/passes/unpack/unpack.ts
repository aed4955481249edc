import { GraphBuilder } from '../../ir/builder.js';
import { stacksLeftOut, unpackedLayers } from '../../ir/codes/sites.js';
import { canTakeName, type Model, type Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { texts } from '../../options/types.js';
import { copyIdentity } from '../adapters/adapted-node.js';
import { eraseDead } from '../adapters/erase.js';
import { dropStored } from '../adapters/stored-weight.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import { functionOf, holderOf, Origins } from '../sites/origins.js';
import { type PackedParts, unpackAttention } from './attention.js';
import { inlineLayerCalls } from './calls.js';
import { unpackEinsum } from './einsum.js';
import { unpackFusedGemm } from './fused-gemm.js';
import { readsPart, unpackProduct } from './products.js';
import { findStacks, unpackStacks } from './stacks.js';
import { PartViews } from './views.js';

/** What unpacking knows of the model. */
interface Unpacking {
  readonly origins: Origins;
  readonly parts: PackedParts;
  readonly views: PartViews;
}

interface Unpacker {
  /** whether a node may hide a layer; types need not be known */
  readonly wants: (node: Node, origins: Origins) => boolean;
  /** makes the replacements of the node's outputs, before it; null: the node is of a form that stays */
  readonly unpack: (b: GraphBuilder, node: Node, given: Unpacking) => readonly Value[] | null;
}

const readsStored: Unpacker['wants'] = (node, origins) =>
  node.inputs.some((input) => input && origins.stored(input));
const PRODUCT: Unpacker = { wants: readsPart, unpack: (b, node, { views }) => unpackProduct(b, node, views) };

const TABLE: ReadonlyMap<string, Unpacker> = new Map<string, Unpacker>([
  ['MatMul', PRODUCT],
  ['Gemm', PRODUCT],
  ['com.microsoft::FusedMatMul', PRODUCT],
  [
    'Einsum',
    {
      wants: (node) => node.inputs.some((input) => input && holderOf(input)),
      unpack: (b, node, { views }) => unpackEinsum(b, node, views),
    },
  ],
  [
    'com.microsoft::Attention',
    {
      wants: readsStored,
      unpack: (b, node, { origins, parts }) => unpackAttention(b, node, origins, parts),
    },
  ],
  [
    'com.microsoft::FusedGemm',
    { wants: readsStored, unpack: (b, node, { origins }) => unpackFusedGemm(b, node, origins) },
  ],
]);

/** What was changed: calls inlined, and nodes taken apart by operator. */
export interface Unpacked {
  readonly calls: number;
  readonly nodes: ReadonlyMap<string, number>;
  /** weights of several experts taken apart */
  readonly stacks: number;
}

/**
 * Brings linear layers that a form hides into the open, in place: calls of functions with layers in them are inlined,
 * and operators that hold a layer together with what follows it are written as several. Names of outputs stay, and names
 * that are new depend on the model alone, so that an adapter finds the same layers in the same base again. What has no
 * layer with a stored weight, or a form that is not covered, is left as it is. `stacks` says which stacked weights are
 * taken apart.
 */
export function unpackLayers(model: Model, stacks: (path: string) => boolean = () => false): Unpacked {
  const calls = inlineLayerCalls(model);
  const nodes = new Map<string, number>();
  const origins = new Origins(model);
  const found: Node[] = [];
  for (const node of model.everyNode()) {
    const form = TABLE.get(node.opKey);
    if (form && !functionOf(node.graph) && !origins.isCall(node) && form.wants(node, origins))
      found.push(node);
  }
  const apart = unpackStacks(model, stacks);
  if (found.length === 0) return { calls, nodes, stacks: apart };
  inferShapes(model); // forms of masks are told by their shapes
  const given: Unpacking = { origins, parts: new Map(), views: new PartViews(model) };
  for (const node of found) {
    if (!unpack(model, node, given)) continue;
    nodes.set(node.opKey, (nodes.get(node.opKey) ?? 0) + 1);
  }
  if (nodes.size > 0) inferShapes(model);
  return { calls, nodes, stacks: apart };
}

function unpack(model: Model, node: Node, given: Unpacking): boolean {
  const graph = node.graph!;
  const b = new GraphBuilder(graph, { before: node, pass: 'unpack', from: [node.name] });
  const made = TABLE.get(node.opKey)!.unpack(b, node, given);
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
  const weights = [...constantsBehind(node, given.origins)];
  const makers = node.inputs.map((input) => input?.producer);
  graph.erase(node);
  for (const maker of makers) if (maker) eraseDead(maker);
  for (const weight of weights) dropStored(model, weight);
  return true;
}

/** Stored tensors from which the constant inputs of a node are made. */
function constantsBehind(node: Node, origins: Origins): ReadonlySet<Value> {
  const seen = new Set<Value>(node.inputs.filter((input) => input !== null));
  for (const value of seen) {
    if (value.constant || !origins.isConstant(value)) continue;
    for (const input of value.producer?.inputs ?? []) if (input) seen.add(input);
  }
  for (const value of [...seen]) {
    // bounds of a slice may be computed from shapes
    const holder = holderOf(value);
    if (holder) seen.add(holder);
  }
  return new Set([...seen].filter((value) => value.constant));
}

export const unpackPass = definePass({
  name: 'unpack',
  summary: 'inline functions with linear layers, and split fused layers into product and rest',
  options: {
    stacks: {
      type: texts('path'),
      default: [],
      doc: 'module paths of stacked weights whose matrices become layers of their own',
    },
  },
  run(model, options, ctx) {
    const { calls, nodes, stacks } = unpackLayers(model, (path) => options.stacks.includes(path));
    const left = findStacks(model);
    if (left.length > 0)
      ctx.report(stacksLeftOut({ stacks: left.map(({ path, count }) => ({ path, count })) }));
    ctx.stat('calls', calls);
    for (const [op, count] of nodes) ctx.stat(op, count);
    if (calls === 0 && nodes.size === 0 && stacks === 0) return 'unchanged';
    ctx.report(unpackedLayers({ calls, nodes, stacks }));
    return 'changed';
  },
});
