import { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { definitionOf } from '../../ir/ops/index.js';
import { topologicalOrder } from '../../ir/topo.js';
import { anchored, awaited, type Backward } from './anchor.js';
import { isSmall, isWorth } from './size.js';
import { backwardValues, redirect, replay, sort, usedIn } from './walk.js';

/** Forward nodes between two places where a single activation is alive. */
interface Block {
  /** the activation that goes in, which is kept */
  readonly input: Value;
  /** the output: the input of the next block, kept too; null for the last */
  readonly output: Value | null;
  readonly nodes: readonly Node[];
}

/**
 * Gradient checkpointing (Chen, Xu, Zhang, Guestrin 2016): of every block of the forward pass only its input is kept, and
 * what the backward pass needs from inside is computed again when its gradient arrives. Blocks are found, not named: they
 * lie between places where one activation alone leads on (in a transformer before and after each attention and each
 * feed-forward part). `wrt` are the values that are trained: what does not depend on them is kept as it is. Otherwise as
 * `rematerialise`.
 */
export function recomputeBlocks(
  graph: Graph,
  forward: ReadonlySet<Node>,
  seeds: Iterable<Value>,
  wrt: Iterable<Value>,
): readonly Value[] {
  const order = topologicalOrder(graph);
  const backward = new Set(order.filter((node) => !forward.has(node)));
  const pass = { order, backward, gradients: backwardValues(order, backward, seeds) };
  const walked = order.filter((node) => forward.has(node));
  const trained = backwardValues(walked, forward, wrt);
  const done: Value[] = [];
  for (const block of blocksOf(walked, forward, trained)) done.push(...recompute(graph, block, pass));
  if (done.length > 0) sort(graph);
  return done;
}

/** Cuts the forward pass where one activation is alive; a block without a product joins the next. */
function blocksOf(
  walked: readonly Node[],
  forward: ReadonlySet<Node>,
  trained: ReadonlySet<Value>,
): readonly Block[] {
  const counts = (value: Value) => trained.has(value) && isWorth(value);
  const waiting = new Map<Value, number>();
  const blocks: Block[] = [];
  let input: Value | null = null;
  let nodes: Node[] = [];
  for (const node of walked) {
    nodes.push(node);
    for (const read of new Set(node.inputs)) {
      if (!read || !waiting.has(read)) continue;
      const left = waiting.get(read)! - node.inputs.filter((other) => other === read).length;
      if (left > 0) waiting.set(read, left);
      else waiting.delete(read);
    }
    for (const output of node.outputs) {
      const readers = [...output.uses].filter((use) => forward.has(use.node)).length;
      if (counts(output) && readers > 0) waiting.set(output, readers);
    }
    if (waiting.size !== 1) continue;
    const [alive] = waiting.keys();
    if (alive!.producer !== node || !nodes.some(isCostly)) continue;
    if (input) blocks.push({ input, output: alive!, nodes });
    input = alive!;
    nodes = [];
  }
  if (input) blocks.push({ input, output: null, nodes });
  return blocks;
}

function isCostly(node: Node): boolean {
  return definitionOf(node)?.cost !== undefined;
}

/** Makes what the backward pass reads from inside a block out of the block's input; returns what is no longer kept. */
function recompute(graph: Graph, { input, output, nodes }: Block, pass: Backward): readonly Value[] {
  const inside = new Set<Value>([input]);
  const chain = nodes.filter((node) => {
    const depends = node.inputs.some((read) => read && inside.has(read)) && canRepeat(node);
    if (depends) inside.add(node.outputs[0]!);
    return depends;
  });
  const kept = chain
    .map(({ outputs }) => outputs[0]!)
    .filter((value) => value !== output && isWorth(value) && usedIn(value, pass.backward))
    .filter((value) => !value.isOutput);
  const gradient = earliest(kept, pass);
  if (!gradient) return [];
  const b = new GraphBuilder(graph, { before: null, pass: 'rematerialise', prefix: 'remat' });
  const copy = anchored(b, input, gradient, pass);
  if (!copy) return [];
  const copies = new Map([[input, copy]]);
  replay(b, needed(chain, kept), copies);
  for (const value of kept) redirect(value, copies.get(value)!, pass.backward);
  return kept;
}

/** Pure, without branches; of several outputs only the first is made again. */
function canRepeat(node: Node): boolean {
  const def = definitionOf(node);
  if (!def?.traits?.includes('pure') || node.subgraphs().length > 0) return false;
  return node.outputs.slice(1).every((output) => output.uses.size === 0 || isSmall(output));
}

/** The first gradient that is available of those that the readers of the values wait for. */
function earliest(values: readonly Value[], pass: Backward): Value | null {
  const place = new Map(pass.order.map((node, index) => [node, index]));
  const found = values.map((value) => awaited(value, pass)).filter((gradient) => gradient !== null);
  const at = (gradient: Value) => (gradient.producer ? (place.get(gradient.producer) ?? -1) : -1);
  return found.sort((a, b) => at(a) - at(b))[0] ?? null;
}

/** The nodes that lead to the values, in order. */
function needed(chain: readonly Node[], values: readonly Value[]): readonly Node[] {
  const wanted = new Set<Value>(values);
  const found = chain.toReversed().filter((node) => {
    if (!wanted.has(node.outputs[0]!)) return false;
    for (const read of node.inputs) if (read) wanted.add(read);
    return true;
  });
  return found.reverse();
}
