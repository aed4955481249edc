import type { HeldAttr } from './attr.js';
import type { Carried } from './carried.js';
import type { Graph } from './graph.js';
import type { Node } from './node.js';

export { Graph } from './graph.js';
export { Node, type OpName, type Origin } from './node.js';
export { canTakeName, Value } from './value.js';

/** A model-local function. Its graph has inputs and outputs without types and no initializers. */
export class GraphFunction {
  docString = '';
  metadata: ReadonlyMap<string, string> = new Map();
  readonly opsets = new Map<string, number>();
  /** names of attributes without a default */
  attributes: readonly string[] = [];
  /** attributes with a default (`attribute_proto`) */
  defaults: readonly (readonly [string, HeldAttr])[] = [];
  carried: Carried | null = null;
  edited = false;
  owner: Model | null = null;

  constructor(
    readonly domain: string,
    readonly name: string,
    readonly overload: string,
    readonly graph: Graph,
  ) {
    graph.owner = this;
  }

  /** `domain::name` or `domain::name:overload`: the key in `Model.functions`. */
  get key(): string {
    return functionKey(this.domain, this.name, this.overload);
  }

  touch(): void {
    this.edited = true;
    this.owner?.touch();
  }
}

export function functionKey(domain: string, name: string, overload = ''): string {
  return `${domain}::${name}${overload === '' ? '' : `:${overload}`}`;
}

/** A whole model. What the IR does not model (training_info, device configurations, ...) is carried byte for byte. */
export class Model {
  irVersion = 10;
  producerName = '';
  producerVersion = '';
  domain = '';
  modelVersion: number | bigint | null = null;
  docString = '';
  /** operator set versions by domain; '' is the standard one */
  readonly opsets = new Map<string, number>();
  readonly functions = new Map<string, GraphFunction>();
  carried: Carried | null = null;
  edited = false;
  /** path of the file it was read from; null for a model made in memory */
  path: string | null = null;
  #metadata = new Map<string, string>();

  constructor(readonly graph: Graph) {
    graph.owner = this;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#metadata;
  }

  /** Sets a `metadata_props` entry, or removes it with null. */
  setMetadata(key: string, value: string | null): void {
    if (value === null) this.#metadata.delete(key);
    else this.#metadata.set(key, value);
    this.touch();
  }

  addFunction(fn: GraphFunction): void {
    if (this.functions.has(fn.key)) throw new Error(`function ${fn.key} is already defined`);
    fn.owner = this;
    this.functions.set(fn.key, fn);
    this.touch();
  }

  removeFunction(key: string): void {
    if (this.functions.delete(key)) this.touch();
  }

  setOpset(domain: string, version: number): void {
    if (this.opsets.get(domain) === version) return;
    this.opsets.set(domain, version);
    this.touch();
  }

  setIrVersion(version: number): void {
    this.irVersion = version;
    this.touch();
  }

  removeOpset(domain: string): void {
    if (this.opsets.delete(domain)) this.touch();
  }

  touch(): void {
    this.edited = true;
  }

  /** The model-local function that a node calls; null for an operator. */
  calledBy(node: Node): GraphFunction | null {
    if (this.functions.size === 0) return null;
    return this.functions.get(functionKey(node.domain, node.op, node.overload)) ?? null;
  }

  /** The main graph, every function body, and every graph nested in them. With {@link everyNode} the only recursion over graphs. */
  *everyGraph(): IterableIterator<Graph> {
    const stack: Graph[] = [...[...this.functions.values()].map((fn) => fn.graph).reverse(), this.graph];
    while (stack.length > 0) {
      const graph = stack.pop()!;
      yield graph;
      if (!graph.holdsGraphs) continue;
      for (const node of graph.nodes.reversed()) {
        for (const inner of [...node.subgraphs()].reverse()) stack.push(inner);
      }
    }
  }

  /** Every node of every graph. */
  *everyNode(): IterableIterator<Node> {
    for (const graph of this.everyGraph()) for (const node of graph.nodes) yield node;
  }
}

/** The model that a graph belongs to, or null. */
export function modelOf(graph: Graph): Model | null {
  let owner = graph.owner;
  for (let guard = 0; owner && guard < 1e6; guard++) {
    if (owner instanceof Model) return owner;
    owner = owner instanceof GraphFunction ? owner.owner : (owner.graph?.owner ?? null);
  }
  return null;
}

/** Names from the outermost graph to the node: what diagnostics show as its place. */
export function nodePath(node: Node): readonly string[] {
  const path: string[] = [node.label];
  let graph: Graph | null = node.graph;
  while (graph) {
    const owner: Graph['owner'] = graph.owner;
    if (owner instanceof GraphFunction) return [`${owner.domain}::${owner.name}`, ...path];
    if (!owner || owner instanceof Model) break;
    path.unshift(owner.label);
    graph = owner.graph;
  }
  return path;
}
