import type { Carried } from './carried.js';
import type { GraphFunction, Model } from './model.js';
import { Names } from './names.js';
import { Node, type NodeInit } from './node.js';
import { NodeList } from './node-list.js';
import type { ValueType } from './shape.js';
import type { TensorData } from './tensor.js';
import { type CarriedInfo, NO_METADATA, Value } from './value.js';

/** The owner of a graph: the model (main graph), a node (subgraph) or a function (body); null while it is built. */
export type GraphOwner = Model | Node | GraphFunction | null;

/**
 * A graph: inputs, outputs, initializers and nodes. It owns its values; a subgraph may also read values of the graphs
 * around it. All edits go through methods here and on Node and Value, so that use lists, names and the marks that
 * decide which objects are encoded again stay right.
 */
export class Graph {
  docString = '';
  metadata: ReadonlyMap<string, string> = NO_METADATA;
  readonly nodes = new NodeList();
  carried: Carried | null = null;
  edited = false;
  /** ValueInfoProtos of `value_info`, in file order */
  readonly valueInfo = new Map<Value, Carried>();
  /** ValueInfoProtos of `value_info` that describe no value of this graph, or one already described */
  readonly looseInfo: Carried[] = [];
  inputInfo: readonly CarriedInfo[] = [];
  outputInfo: readonly CarriedInfo[] = [];
  /** false when no node ever held a graph in an attribute: then none is to be looked for */
  holdsGraphs = false;
  /** false while no two values of this graph ever had one name */
  repeatsNames = false;
  #owner: GraphOwner = null;
  #names: Names | null = null;
  #inputs: Value[] = [];
  #outputs: Value[] = [];
  readonly #initializers = new Map<string, Value>();
  readonly #byName = new Map<string, Value>();

  constructor(public name: string) {}

  get inputs(): readonly Value[] {
    return this.#inputs;
  }
  get outputs(): readonly Value[] {
    return this.#outputs;
  }
  get initializers(): ReadonlyMap<string, Value> {
    return this.#initializers;
  }
  get owner(): GraphOwner {
    return this.#owner;
  }
  set owner(owner: GraphOwner) {
    this.#owner = owner;
  }

  /** The graph around a subgraph; null for a main graph or a function body. */
  get outer(): Graph | null {
    return this.#owner instanceof Node ? this.#owner.graph : null;
  }

  /** The main graph or function body that this graph is, or is nested in. */
  get outermost(): Graph {
    let at: Graph = this;
    for (let outer = at.outer; outer; outer = at.outer) at = outer;
    return at;
  }

  /** The name authority: shared by a main graph (or function body) and everything nested in it. Made on first use. */
  get names(): Names {
    const outer = this.outer;
    if (outer) return outer.names;
    if (!this.#names) {
      this.#names = new Names(this.#byName);
      reserveNested(this, this.#names);
    }
    return this.#names;
  }

  /** Releases names that are no longer in use: for the end of an edit that removed everything it had added. */
  renewNames(): void {
    if (this.outer) this.outer.renewNames();
    else this.#names = null;
  }

  /** The authority, if it has been used already. */
  get #knownNames(): Names | null {
    const outer = this.outer;
    return outer ? outer.#knownNames : this.#names;
  }

  /** The value of that name in this graph, not in those around it. */
  own(name: string): Value | undefined {
    return this.#byName.get(name);
  }

  /** The value of that name as a node in this graph sees it. */
  find(name: string): Value | undefined {
    for (let graph: Graph | null = this; graph; graph = graph.outer) {
      const value = graph.own(name);
      if (value) return value;
    }
    return undefined;
  }

  /** Adds an initializer. Throws when the name is taken in this graph. */
  addInitializer(name: string, data: TensorData): Value {
    const value = this.#define(name);
    value.bindConstant(data);
    value.setType({ kind: 'tensor', dtype: data.dtype, shape: data.shape }, true);
    this.#initializers.set(name, value);
    this.touch();
    return value;
  }

  /** Gives data to a value that is a graph input: an overridable initializer. */
  makeOverridable(input: Value, data: TensorData): void {
    input.bindConstant(data);
    this.#initializers.set(input.name, input);
    this.touch();
  }

  /** Makes an initializer a graph input as well: overridable, or required once its data is dropped. */
  exposeInitializer(value: Value, type: ValueType, data: TensorData | null): void {
    if (!this.#initializers.has(value.name) || value.isInput) {
      throw new Error(`"${value.name}" is not a plain initializer`);
    }
    value.bindConstant(data);
    if (!data) this.#initializers.delete(value.name);
    value.isInput = true;
    value.setType(type);
    this.#inputs.push(value);
    this.touch();
  }

  /** Turns an input into a plain initializer with that data. */
  embedInput(value: Value, data: TensorData): void {
    this.#inputs = this.#inputs.filter((input) => input !== value);
    value.isInput = false;
    value.bindConstant(data);
    value.setType({ kind: 'tensor', dtype: data.dtype, shape: data.shape });
    this.#initializers.set(value.name, value);
    this.touch();
  }

  /** Makes an overridable initializer a plain one: the reverse of {@link exposeInitializer}. */
  concealInput(value: Value): void {
    if (!this.#initializers.has(value.name) || !value.isInput) {
      throw new Error(`"${value.name}" is not an overridable initializer`);
    }
    value.isInput = false;
    this.#inputs = this.#inputs.filter((input) => input !== value);
    this.touch();
  }

  /** Removes an initializer. Throws, naming a reader, while it is used. */
  removeInitializer(value: Value): void {
    refuseIfUsed(value);
    this.#initializers.delete(value.name);
    value.bindConstant(null);
    if (!value.isInput) this.#forget(value);
    this.touch();
  }

  addInput(name: string, type: ValueType | null): Value {
    const value = this.#define(name);
    value.isInput = true;
    value.setType(type, true);
    value.infoEdited = true;
    this.#inputs.push(value);
    this.touch();
    return value;
  }

  /** Removes an input. Throws, naming a reader, while it is used. */
  removeInput(value: Value): void {
    refuseIfUsed(value);
    this.#inputs = this.#inputs.filter((input) => input !== value);
    value.isInput = false;
    if (!value.constant) this.#forget(value);
    this.touch();
  }

  addOutput(value: Value): void {
    this.#outputs.push(value);
    value.countOutput(1);
    this.touch();
  }

  removeOutput(value: Value): void {
    const index = this.#outputs.indexOf(value);
    if (index < 0) throw new Error(`"${value.name}" is not an output of graph "${this.name}"`);
    this.#outputs.splice(index, 1);
    value.countOutput(-1);
    this.touch();
  }

  /** Makes a node and puts it at the end. */
  append<Op extends string>(init: NodeInit<Op>): Node<Op> {
    const node = new Node(init);
    this.attach(node as Node);
    return node;
  }

  /** Puts a node that is in no graph at the end. */
  attach(node: Node): void {
    this.#attach(node);
    this.nodes.append(node);
    this.touch();
  }

  /** Puts nodes that are in no graph at the end. */
  attachAll(nodes: readonly Node[]): void {
    for (const node of nodes) {
      this.#attach(node);
      this.nodes.append(node);
    }
    this.touch();
  }

  /** Puts nodes that are in no graph before `at`. */
  insertBefore(at: Node, ...fresh: readonly Node[]): void {
    for (const node of fresh) {
      this.#attach(node);
      this.nodes.insertBefore(at, node);
    }
    this.touch();
  }

  /** Puts nodes that are in no graph after `at`, in the given order. */
  insertAfter(at: Node, ...fresh: readonly Node[]): void {
    let cursor = at;
    for (const node of fresh) {
      this.#attach(node);
      this.nodes.insertAfter(cursor, node);
      cursor = node;
    }
    this.touch();
  }

  /** Moves a node of this graph before another one. */
  moveBefore(at: Node, node: Node): void {
    this.nodes.remove(node);
    this.nodes.insertBefore(at, node);
    this.touch();
  }

  /** Removes a node. Throws, naming a reader, while one of its outputs is used. */
  erase(node: Node): void {
    for (const output of node.outputs) refuseIfUsed(output);
    node.dropInputs();
    for (const output of node.outputs) this.#forget(output);
    this.nodes.remove(node);
    node.graph = null;
    this.touch();
  }

  /** Marks this graph, and all that contains it, as different from the file it was read from. */
  touch(): void {
    this.edited = true;
    if (this.#owner) this.#owner.touch();
  }

  /** @internal for Node: takes an output in. Duplicate names keep the first entry; the verifier reports them. */
  adopt(value: Value): void {
    this.#adopt(value, this.#knownNames);
  }

  #adopt(value: Value, names: Names | null): void {
    value.graph = this;
    const { name } = value;
    if (name === '') return;
    // the authority asks the outermost graph's table itself
    if (names && !this.#names) names.reserveValue(name);
    if (this.#byName.has(name)) this.repeatsNames = true;
    else this.#byName.set(name, value);
  }

  /** @internal for the reader: a value that a sparse initializer defines, or that nothing defines. */
  declare(name: string, sparse: boolean): Value {
    const value = new Value(name);
    value.isSparse = sparse;
    this.adopt(value);
    return value;
  }

  /** @internal for Node.rename */
  reserveNodeName(name: string): void {
    this.#knownNames?.reserveNode(name);
  }

  /** Values this graph defines, by name. */
  ownValues(): Iterable<Value> {
    return this.#byName.values();
  }

  /** @internal for Value.rename */
  renameValue(value: Value, from: string, to: string): void {
    if (this.#byName.get(to)) throw new Error(`the name "${to}" is taken in graph "${this.name}"`);
    if (this.#byName.get(from) === value) this.#byName.delete(from);
    this.#byName.set(to, value);
    this.#knownNames?.reserveValue(from);
    this.#knownNames?.reserveValue(to);
    if (this.#initializers.get(from) === value) {
      // keep the order of initializers: rebuild the map with the new key in place
      const entries = [...this.#initializers].map(
        ([key, held]) => [held === value ? to : key, held] as const,
      );
      this.#initializers.clear();
      for (const [key, held] of entries) this.#initializers.set(key, held);
    }
    this.touch();
  }

  /** @internal for Value.replaceAllUsesWith */
  replaceOutput(from: Value, to: Value): void {
    this.#outputs = this.#outputs.map((value) => {
      if (value !== from) return value;
      from.countOutput(-1);
      to.countOutput(1);
      return to;
    });
    this.touch();
  }

  #define(name: string): Value {
    if (this.#byName.has(name)) throw new Error(`the name "${name}" is taken in graph "${this.name}"`);
    const value = new Value(name);
    this.adopt(value);
    return value;
  }

  #attach(node: Node): void {
    node.graph = this;
    const names = this.#knownNames;
    for (const output of node.outputs) this.#adopt(output, names);
    const inner = node.subgraphs();
    if (inner.length > 0) this.holdsGraphs = true;
    if (!names) return;
    names.reserveNode(node.name);
    for (const graph of inner) reserveAll(graph, names);
  }

  #forget(value: Value): void {
    if (this.#byName.get(value.name) === value) {
      this.#byName.delete(value.name);
      this.#knownNames?.reserveValue(value.name);
    }
    this.valueInfo.delete(value);
  }
}

function refuseIfUsed(value: Value): void {
  const [use] = value.uses;
  if (use) throw new Error(`"${value.name}" is still read by node "${use.node.label}" (${use.node.op})`);
  if (value.isOutput) throw new Error(`"${value.name}" is a graph output`);
}

/** Reserves every name of a graph and of all graphs nested in it. */
function reserveAll(graph: Graph, names: Names): void {
  for (const value of graph.ownValues()) names.reserveValue(value.name);
  reserveNested(graph, names);
}

/** Reserves the names of a graph's nodes, and every name of the graphs nested in it. */
function reserveNested(graph: Graph, names: Names): void {
  const stack = [graph];
  for (let current = stack.pop(); current; current = stack.pop()) {
    if (current !== graph) for (const value of current.ownValues()) names.reserveValue(value.name);
    for (const node of current.nodes) {
      names.reserveNode(node.name);
      if (current.holdsGraphs) stack.push(...node.subgraphs());
    }
  }
}
