import type { HeldAttr } from '../../ir/attr.js';
import { Graph, Node, type Value } from '../../ir/model.js';

/** What is written into a copy: the values of references, and the replacements of the body's values. */
export interface Substitution {
  /** value of an attribute that a body refers to; null when neither call nor function has one */
  attribute(name: string): HeldAttr | null;
  /** replacements of values of the body; a null is an input that the call leaves out */
  readonly values: Map<Value, Value | null>;
  /** prefix of new names */
  readonly prefix: string;
  /** the allocator of names at the place */
  readonly names: Graph['names'];
  readonly origin: readonly string[];
}

/** A copy of a node of a function body, its subgraphs included; in no graph yet. */
export function copyNode(node: Node, into: Substitution): Node {
  const copy = new Node({
    op: node.op,
    domain: node.domain,
    overload: node.overload,
    name: node.name === '' ? '' : into.names.freshNode(`${into.prefix}/${node.name}`),
    inputs: node.inputs.map((input) => input && (into.values.has(input) ? into.values.get(input)! : input)),
    outputs: node.outputs.map(({ name }) => (name === '' ? '' : fresh(into, name))),
    attrs: [...node.attrs].flatMap(([name, attr]) => {
      const held = copyAttr(attr, into);
      return held ? [[name, held] as const] : [];
    }),
    origin: { from: into.origin, pass: 'inline' },
  });
  copy.docString = node.docString;
  copy.metadata = node.metadata;
  for (const [index, output] of node.outputs.entries()) {
    const made = copy.outputs[index]!;
    made.setType(output.type, true);
    into.values.set(output, made);
  }
  return copy;
}

function fresh({ names, prefix }: Substitution, name: string): string {
  return names.freshValue(`${prefix}/${name}`);
}

/** The attribute as it reads at the place of the call; null where a reference names nothing. */
function copyAttr(attr: HeldAttr, into: Substitution): HeldAttr | null {
  if (attr.kind === 'ref') return into.attribute(attr.name);
  if (attr.kind === 'graph') return { kind: 'graph', value: copyGraph(attr.value, into) };
  if (attr.kind === 'graphs') {
    return { kind: 'graphs', value: attr.value.map((graph) => copyGraph(graph, into)) };
  }
  return attr;
}

/** A copy of a subgraph, which reads the same values from outside but where `into` says otherwise; owned by nothing yet. */
export function copyGraph(graph: Graph, into: Substitution): Graph {
  const copy = new Graph(graph.name);
  copy.docString = graph.docString;
  copy.metadata = graph.metadata;
  for (const input of graph.inputs) {
    into.values.set(input, copy.addInput(fresh(into, input.name), input.type));
  }
  for (const value of graph.initializers.values()) {
    const input = value.isInput ? into.values.get(value) : null;
    if (input) copy.makeOverridable(input, value.constant!);
    else into.values.set(value, copy.addInitializer(fresh(into, value.name), value.constant!));
  }
  for (const node of graph.nodes) copy.attach(copyNode(node, into));
  for (const output of graph.outputs) copy.addOutput(into.values.get(output) ?? output);
  return copy;
}
