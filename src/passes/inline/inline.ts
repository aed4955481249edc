import { GraphBuilder } from '../../ir/builder.js';
import { canTakeName, type GraphFunction, type Model, type Node, type Value } from '../../ir/model.js';
import { opDef } from '../../ir/ops/index.js';
import { supersede } from '../../ir/supersede.js';
import { topologicalOrder } from '../../ir/topo.js';
import { removeDeadIn } from '../dce.js';
import { definePass } from '../pipeline.js';
import { copyNode } from './copy.js';

/** The model-local function that a node calls; null for an operator. */
export function calledBy(model: Model, node: Node): GraphFunction | null {
  return model.calledBy(node);
}

/**
 * Why a function's body cannot be in the model's own graph: it is written for a version of an operator set in which an
 * op that it uses means something else than in the version that the model imports. Null when there is no obstacle.
 */
export function obstacle(model: Model, fn: GraphFunction): string | null {
  const stack = [fn.graph];
  for (let graph = stack.pop(); graph; graph = stack.pop()) {
    for (const node of graph.nodes) {
      stack.push(...node.subgraphs());
      const [here, there] = [model.opsets.get(node.domain), fn.opsets.get(node.domain)];
      if (here === undefined || there === undefined || here === there || calledBy(model, node)) continue;
      const def = opDef(node.domain, node.op, there);
      if (def && def === opDef(node.domain, node.op, here)) continue;
      const set = node.domain === '' ? 'operator set' : `${node.domain} operator set`;
      return `its body uses ${node.op} of ${set} ${there}, and the model imports version ${here}`;
    }
  }
  return null;
}

/**
 * Replaces calls of model-local functions in the main graph and its subgraphs by the functions' bodies (ONNX IR, section
 * Functions), and calls in those bodies in turn, wherever `chosen` agrees. Calls that `obstacle` finds a reason against
 * stay. Functions that are no longer called are removed. Types must be inferred again. Returns how many calls were
 * replaced.
 */
export function inlineCalls(model: Model, chosen: (call: Node) => boolean = () => true): number {
  const called = new Set<GraphFunction>();
  let count = 0;
  const waiting: Node[] = [];
  const collect = (nodes: Iterable<Node>) => {
    for (const node of nodes) {
      if (calledBy(model, node)) waiting.push(node);
      for (const graph of node.subgraphs()) collect(graph.nodes);
    }
  };
  if (model.functions.size > 0) collect(model.graph.nodes);
  for (let next = 0; next < waiting.length; next++) {
    const call = waiting[next]!;
    const fn = calledBy(model, call)!;
    if (!chosen(call) || obstacle(model, fn) !== null) continue;
    collect(inlineCall(model, call, fn));
    called.add(fn);
    count++;
  }
  if (count === 0) return 0;
  removeUncalled(model, called);
  removeDeadIn(model.graph);
  return count;
}

/** Puts the body where the call is; returns the new nodes. */
function inlineCall(model: Model, call: Node, fn: GraphFunction): readonly Node[] {
  const graph = call.graph!;
  for (const [domain, version] of fn.opsets) {
    if (!model.opsets.has(domain)) model.setOpset(domain, version);
  }
  const values = new Map<Value, Value | null>(
    fn.graph.inputs.map((input, index) => [input, call.inputs[index] ?? null]),
  );
  const defaults = new Map(fn.defaults);
  const into = {
    attribute: (name: string) => {
      const held = call.attrs.get(name) ?? defaults.get(name);
      if (!held) return null;
      // the bytes that it was read from have the name in the call
      const { carried: _, ...attr } = held;
      return attr;
    },
    values,
    prefix: call.name === '' ? fn.name : call.name,
    names: graph.names,
    origin: call.origin.from.length > 0 ? call.origin.from : [call.label],
  };
  const made: Node[] = [];
  for (const node of topologicalOrder(fn.graph)) {
    const copy = copyNode(node, into);
    graph.insertBefore(call, copy);
    made.push(copy);
  }
  const b = new GraphBuilder(graph, { before: call, pass: 'inline', from: into.origin });
  const own = new Set<Node | null>(made);
  const named = new Set<Value>();
  for (const [index, output] of call.outputs.entries()) {
    const result = fn.graph.outputs[index];
    const value = result ? values.get(result) : null;
    if (!value || output.name === '') continue;
    // names stay with the results; an input of the function, or what an output has named already, keeps its own
    const free = own.has(value.producer) && !named.has(value) && canTakeName(output, value);
    supersede(output, free ? value : b.one('Identity', [value]));
    named.add(value);
  }
  graph.erase(call);
  return made;
}

/** Removes functions among `candidates`, and those that only they called, when nothing calls them. */
function removeUncalled(model: Model, candidates: ReadonlySet<GraphFunction>): void {
  for (let open = new Set(candidates); open.size > 0; ) {
    const calls = new Set<GraphFunction>();
    for (const node of model.everyNode()) {
      const fn = calledBy(model, node);
      if (fn) calls.add(fn);
    }
    const gone = [...open].filter((fn) => !calls.has(fn));
    const below = new Set<GraphFunction>();
    for (const fn of gone) {
      for (const node of fn.graph.nodes) {
        const inner = calledBy(model, node);
        if (inner && inner !== fn) below.add(inner);
      }
      model.removeFunction(fn.key);
    }
    open = new Set([...below].filter((fn) => model.functions.has(fn.key)));
  }
}

export const inlinePass = definePass({
  name: 'inline',
  summary: 'replace calls of model-local functions by their bodies',
  options: {},
  run(model, _, ctx) {
    const count = inlineCalls(model);
    ctx.stat('calls', count);
    return count > 0 ? 'changed' : 'unchanged';
  },
});
