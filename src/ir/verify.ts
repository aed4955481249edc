import * as codes from './codes/verify.js';
import { constantTensor } from './constants.js';
import { closest, type Diagnostic, LotrcError, type Place } from './diagnostics.js';
import { byteLengthOf } from './dtype.js';
import {
  functionKey,
  type Graph,
  GraphFunction,
  type Model,
  type Node,
  nodePath,
  type Value,
} from './model.js';
import { elementCount } from './shape.js';
import type { TensorData } from './tensor.js';
import { isInOrder, sourcesOf, topologicalOrder } from './topo.js';

/**
 * Checks a model and returns everything that is wrong. Linear in nodes.
 *
 * Checked:
 * 1. a value name is defined once in a graph (LOTR2001); warnings: the same constant twice (LOTR2010), a name of a graph
 *    around it again (LOTR2011);
 * 2. every node input and graph output is defined (LOTR2002) in the node's graph or one around it (LOTR2004);
 * 3. no node depends on itself (LOTR2003); nodes may be in any order, as ONNX Runtime allows;
 * 4. an initializer's data has the length that its type and shape need (LOTR2005);
 * 5. the standard operator set is imported (LOTR2006), and so is every other domain (LOTR2012, warning);
 * 6. functions do not call themselves, and attribute references occur in functions only (LOTR2007);
 * 7. every node names an operator (LOTR2008); the IR version is known (LOTR2009, warning).
 *
 * Also asserted, as faults of lotrc itself: use lists agree with inputs.
 *
 * Not checked: operators against their schemas (shape inference does that), types, unused values, tensor contents,
 * opaque parts such as training_info and sparse initializers.
 */
export function verify(model: Model): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  if (model.irVersion < 1 || model.irVersion > 13) found.push(codes.irVersion({ version: model.irVersion }));
  const missingDomains = new Set<string>();
  for (const graph of model.everyGraph()) {
    checkNames(graph, found);
    checkTensors(graph, found);
    const inFunction = functionOf(graph);
    for (const node of graph.nodes) {
      checkNode(model, graph, node, inFunction, missingDomains, found);
    }
    for (const output of graph.outputs)
      checkDefined(output, { kind: 'value', name: output.name }, graph, found);
    checkCycles(graph, found);
  }
  checkFunctions(model, found);
  return found;
}

/** Throws LotrcError with every error that {@link verify} finds. */
export function assertValid(model: Model): void {
  const errors = verify(model).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new LotrcError(errors);
}

function placeOf(node: Node, input?: number): Place {
  return { kind: 'node', path: nodePath(node), op: node.opKey, ...(input === undefined ? {} : { input }) };
}

function checkNames(graph: Graph, found: Diagnostic[]): void {
  // most graphs never had a name twice, and the graph knows
  if (!graph.repeatsNames && !graph.outer) return;
  // the graph knows the first value of each name: a table is kept only for those that are not it
  const seen = new Map<string, Value>();
  const define = (value: Value): void => {
    const { name } = value;
    if (name === '') return;
    const first = graph.own(name);
    const other = first === value || !first || !isDefined(first) ? undefined : first;
    const here = seen.get(name) ?? other;
    const around = graph.outer?.find(name);
    if (!here && !around) {
      if (first !== value) seen.set(name, value);
      return;
    }
    const at: Place = value.producer ? placeOf(value.producer) : { kind: 'value', name };
    if (here && sameConstant(here, value)) found.push(codes.repeatedConstant({ name, at }));
    else if (here) found.push(codes.duplicateValue({ name, at, other: describe(here) }));
    else if (around && isDefined(around)) found.push(codes.shadowed({ name, at }));
    seen.set(name, value);
  };
  for (const input of graph.inputs) define(input);
  for (const value of graph.initializers.values()) if (!value.isInput) define(value);
  for (const node of graph.nodes) for (const output of node.outputs) define(output);
}

function describe(value: Value): string {
  if (value.producer) return `an output of "${value.producer.label}"`;
  return value.isInput ? 'a graph input' : 'an initializer';
}

/** Two Constant nodes with one output name and the same contents: some exporters write a constant once per reader. */
function sameConstant(a: Value, b: Value): boolean {
  const [left, right] = [constantTensor(a.producer), constantTensor(b.producer)];
  return left !== null && right !== null && left.digest() === right.digest();
}

function checkTensors(graph: Graph, found: Diagnostic[]): void {
  for (const [name, value] of graph.initializers) checkSize(name, value.constant!, found);
  for (const node of graph.nodes) {
    if (node.attrs.size === 0) continue;
    for (const [name, attr] of node.attrs) {
      const held = attr.kind === 'tensor' ? [attr.value] : attr.kind === 'tensors' ? attr.value : [];
      for (const data of held) checkSize(name, data, found, node);
    }
  }
}

function checkSize(
  name: string,
  { dtype, shape, byteLength }: TensorData,
  found: Diagnostic[],
  of?: Node,
): void {
  const wanted = byteLengthOf(dtype, elementCount(shape));
  if (wanted === null || wanted === byteLength) return;
  found.push(codes.tensorSize({ name, wanted, found: byteLength, ...(of ? { at: placeOf(of) } : {}) }));
}

function checkNode(
  model: Model,
  graph: Graph,
  node: Node,
  fn: GraphFunction | null,
  missingDomains: Set<string>,
  found: Diagnostic[],
): void {
  if (node.op === '') found.push(codes.namelessOp({ at: placeOf(node) }));
  for (let index = 0; index < node.inputs.length; index++) {
    const input = node.inputs[index];
    if (!input) continue;
    if (input.graph !== graph || !isDefined(input)) checkDefined(input, placeOf, graph, found, node, index);
    if (!node.isListed(index)) throw new Error(`"${input.name}" does not list its reader "${node.label}"`);
  }
  const opsets = fn ? fn.opsets : model.opsets;
  const called = model.calledBy(node);
  if (called) checkCall(node, called, found);
  const missing = !opsets.has(node.domain) && !missingDomains.has(node.domain);
  if (missing && !called) {
    missingDomains.add(node.domain);
    const at = placeOf(node);
    // ONNX Runtime knows the versions of its own domains, and its optimiser leaves the import out
    found.push(node.domain === '' ? codes.noOpset({ at }) : codes.noDomain({ domain: node.domain, at }));
  }
  if (fn) return;
  for (const [name, attr] of node.attrs) {
    if (attr.kind !== 'ref') continue;
    const why = `attribute "${name}" refers to "${attr.name}" of a calling node, and there is none outside functions`;
    found.push(codes.badFunction({ name: `node "${node.label}"`, why }));
  }
}

/** A call may leave out inputs and outputs of its function, and has no others. */
function checkCall(node: Node, { key, graph }: GraphFunction, found: Diagnostic[]): void {
  const sides = [
    ['inputs', node.inputs.length, graph.inputs.length],
    ['outputs', node.outputs.length, graph.outputs.length],
  ] as const;
  for (const [what, given, known] of sides) {
    if (given <= known) continue;
    const why = `it has ${given} ${what}, and the function "${key}" that it calls has ${known}`;
    found.push(codes.badFunction({ name: `node "${node.label}"`, why }));
  }
}

function isDefined(value: Value): boolean {
  return value.producer !== null || value.constant !== null || value.isInput || value.isSparse;
}

function checkDefined(
  value: Value,
  at: Place | ((node: Node, input?: number) => Place),
  graph: Graph,
  found: Diagnostic[],
  node?: Node,
  index?: number,
): void {
  const place = (): Place => (typeof at === 'function' ? at(node!, index) : at);
  if (value.graph === graph && isDefined(value)) return;
  if (!isDefined(value)) {
    const names: string[] = [];
    for (const known of graph.ownValues())
      if (isDefined(known) && names.length < 2000) names.push(known.name);
    found.push(codes.undefinedValue({ name: value.name, at: place(), near: closest(value.name, names) }));
    return;
  }
  for (let around: Graph | null = graph; around; around = around.outer) if (value.graph === around) return;
  found.push(codes.outOfScope({ name: value.name, at: place() }));
}

/**
 * The nodes that remain when all nodes that can run have run are on a cycle or after one; one cycle of them is
 * reported.
 */
function checkCycles(graph: Graph, found: Diagnostic[]): void {
  if (isInOrder(graph)) return;
  const done = new Set<Node>();
  for (const node of topologicalOrder(graph)) {
    const sources = sourcesOf(node, graph);
    if (![...sources].every((source) => done.has(source))) {
      const through = cycleFrom(node, graph, done);
      const labels = through.map((member) => `"${member.label}"`);
      found.push(codes.cycle({ at: placeOf(through[0]!), through: [...labels, labels[0]!] }));
      return;
    }
    done.add(node);
  }
}

function cycleFrom(start: Node, graph: Graph, done: ReadonlySet<Node>): Node[] {
  const path: Node[] = [];
  const position = new Map<Node, number>();
  for (let node: Node | undefined = start; node; ) {
    const at = position.get(node);
    if (at !== undefined) return path.slice(at).reverse();
    position.set(node, path.length);
    path.push(node);
    node = [...sourcesOf(node, graph)].find((source) => !done.has(source));
  }
  return path;
}

function functionOf(graph: Graph): GraphFunction | null {
  const { owner } = graph.outermost;
  return owner instanceof GraphFunction ? owner : null;
}

/** Calls among functions must not form a cycle. */
function checkFunctions(model: Model, found: Diagnostic[]): void {
  const calls = new Map<string, Set<string>>();
  for (const [key, fn] of model.functions) {
    const called = new Set<string>();
    const stack = [fn.graph];
    for (let graph = stack.pop(); graph; graph = stack.pop()) {
      for (const node of graph.nodes) {
        const target = functionKey(node.domain, node.op, node.overload);
        if (model.functions.has(target)) called.add(target);
        stack.push(...node.subgraphs());
      }
    }
    calls.set(key, called);
  }
  const finished = new Set<string>();
  for (const start of calls.keys()) {
    const stack: { key: string; rest: string[] }[] = [{ key: start, rest: [...(calls.get(start) ?? [])] }];
    const open = new Set([start]);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const next = top.rest.pop();
      if (next === undefined) {
        finished.add(top.key);
        open.delete(top.key);
        stack.pop();
      } else if (open.has(next)) {
        const path = [...stack.map(({ key }) => key), next].join(' -> ');
        found.push(codes.badFunction({ name: `function ${next}`, why: `it calls itself: ${path}` }));
        finished.add(next);
        return;
      } else if (!finished.has(next)) {
        open.add(next);
        stack.push({ key: next, rest: [...(calls.get(next) ?? [])] });
      }
    }
  }
}
