import { parseArgs } from 'node:util';
import type { Model, Node, Value } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import type { DimExpr } from '../../src/ir/ops/core/define.js';
import { definitionOf } from '../../src/ir/ops/index.js';
import { shapeOf, tensorType } from '../../src/ir/shape.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import type { Extents } from './feeds.js';

/** What the nodes of one kind do in a run. */
export interface KindTotals {
  nodes: number;
  /** operations of products: two for each multiplication and addition */
  flops: number;
  /** of results, in bytes of float32 */
  bytes: number;
}

/**
 * Nodes, operations of products and sizes of results of a graph by kind, at those extents. A kind is where a node comes from (the
 * forward pass, the gradients, the recomputation, the optimizer), and whether it is a product of the base's width, a
 * product with an axis of at most `rank`, a product of attention, or no product.
 */
export function countGraph(
  file: string,
  extents: Extents,
  rank: number,
): { readonly counts: ReadonlyMap<string, KindTotals>; readonly kept: number } {
  const model = readModel(file);
  for (const input of model.graph.inputs) {
    const { type } = input;
    if (type?.kind !== 'tensor' || !type.shape) continue;
    input.setType(
      tensorType(
        type.dtype,
        type.shape.map((dim) => (typeof dim === 'string' ? (extents[dim] ?? dim) : dim)),
      ),
    );
  }
  for (const node of model.graph.nodes) for (const output of node.outputs) output.setType(null, true);
  inferShapes(model);
  const counts = new Map<string, KindTotals>();
  for (const node of model.graph.nodes) {
    const kind = `${passOf(node)}, ${productOf(node, rank)}`;
    const held = counts.get(kind) ?? { nodes: 0, flops: 0, bytes: 0 };
    counts.set(kind, {
      nodes: held.nodes + 1,
      flops: held.flops + flopsOf(node),
      bytes: held.bytes + node.outputs.reduce((sum, output) => sum + 4 * elements(output), 0),
    });
  }
  return { counts: new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1))), kept: keptBytes(model) };
}

/** Bytes of the activations that stay until the backward pass, which reads them: float32, and views of one tensor once. */
function keptBytes({ graph }: Model): number {
  const kept = new Set<Value>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      const read = [...output.uses].some((use) => passOf(use.node) !== FORWARD && use.node.op !== 'Shape');
      if (passOf(node) === FORWARD && read) kept.add(sourceOf(output));
    }
  }
  return [...kept].reduce((sum, value) => sum + 4 * elements(value), 0);
}

/** The tensor whose elements a value shows under another shape. */
function sourceOf(value: Value): Value {
  const views = new Set(['Reshape', 'Unsqueeze', 'Squeeze', 'Flatten', 'Identity']);
  let at = value;
  while (at.producer && views.has(at.producer.op) && at.producer.inputs[0]?.producer)
    at = at.producer.inputs[0];
  return at;
}

const FORWARD = 'forward and optimizer';

/** By the names that autodiff and recomputation give. */
function passOf({ outputs }: Node): string {
  const [prefix] = outputs[0]!.name.split('/');
  return prefix === 'grad' ? 'gradients' : prefix === 'remat' ? 'recomputation' : FORWARD;
}

function productOf(node: Node, rank: number): string {
  if (!definitionOf(node)?.cost) return 'no product';
  const dims = [...node.inputs.slice(0, 2), node.outputs[0]!].map((value) => (value ? shapeOf(value) : null));
  if (dims.some((shape) => shape?.slice(-2).some((dim) => typeof dim === 'number' && dim <= rank)))
    return 'rank wide';
  return dims.every((shape) => (shape?.length ?? 0) > 3) ? 'attention' : 'full width';
}

function flopsOf(node: Node): number {
  const cost = definitionOf(node)?.cost?.(node as Node<never>);
  return cost ? evaluate(cost.flops) : 0;
}

function evaluate(expr: DimExpr): number {
  if (expr.op === 'const') return expr.value;
  if (expr.op === 'dim') throw new Error(`the extent "${expr.name}" is not known: give --extent`);
  const args = expr.args.map(evaluate);
  return args.reduce((a, b) => (expr.op === 'add' ? a + b : a * b));
}

function elements(value: Value): number {
  const shape = shapeOf(value);
  return shape?.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 0), 1) ?? 0;
}

/** `count.js FILE... --rank 8 --extent batch=8 --extent seq=128`: a table for each graph. */
if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rank: { type: 'string', default: '8' },
      extent: { type: 'string', multiple: true, default: [] },
    },
  });
  const extents = Object.fromEntries(
    values.extent.map((text) => {
      const [name, value] = text.split('=');
      return [name!, Number(value)];
    }),
  );
  for (const file of positionals) {
    const { counts, kept } = countGraph(file, extents, Number(values.rank));
    const total = [...counts].reduce((sum, [, { flops }]) => sum + flops, 0);
    console.log(
      `${file}: ${(total / 1e9).toFixed(3)} GFLOP, ${(kept / 1e6).toFixed(1)} MB kept for the backward pass`,
    );
    for (const [kind, { nodes, flops, bytes }] of counts)
      console.log(
        `  ${kind.padEnd(34)} ${String(nodes).padStart(5)} nodes ${(flops / 1e9).toFixed(3).padStart(10)} GFLOP ${(bytes / 1e6).toFixed(1).padStart(10)} MB`,
      );
  }
}
