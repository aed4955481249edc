import { attrGraphs, type HeldAttr } from './attr.js';
import type { Carried } from './carried.js';
import type { Graph } from './graph.js';
import type { Link } from './node-list.js';
import type { OpMap } from './ops/generated/op-map.js';
import { NO_METADATA, type Use, Value } from './value.js';

/** Names of the ops in the schema table; ops of other domains as `domain::Op`. */
export type OpName = Extract<keyof OpMap, string>;

/** Where a node came from: names of the source nodes, and the pass that made it. */
export interface Origin {
  readonly from: readonly string[];
  readonly pass?: string;
}

export interface NodeInit<Op extends string> {
  readonly op: Op;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | null)[];
  /** names of the outputs; an empty name represents an output that is not delivered */
  readonly outputs: readonly string[];
  readonly attrs?: Iterable<readonly [string, HeldAttr]>;
  readonly origin?: Origin;
}

/**
 * One operation. There is no class per op: most ops are carried and never understood. `is('Gemm')` narrows, and
 * `attrsOf(node)` in `ops/define.ts` then gives typed attributes with their defaults.
 */
export class Node<Op extends string = string> {
  readonly op: Op;
  /** '' for the standard ONNX operators ('ai.onnx' is read as '') */
  readonly domain: string;
  readonly overload: string;
  docString = '';
  origin: Origin;
  graph: Graph | null = null;
  /** @internal for NodeList: its place in the list that holds it */
  link: Link | null = null;
  /** @internal for `isInOrder`: the number of the walk that met it last */
  met = 0;
  /** bytes it was read from; meaningful while not `edited` */
  carried: Carried | null = null;
  edited = false;
  metadata: ReadonlyMap<string, string> = NO_METADATA;
  #name: string;
  #inputs: (Value | null)[];
  #uses: (Use | null)[];
  #outputs: readonly Value[];
  #attrs: Map<string, HeldAttr> | null = null; // made for the first attribute: most nodes have none

  constructor(init: NodeInit<Op>) {
    this.op = init.op;
    this.domain = init.domain === 'ai.onnx' ? '' : (init.domain ?? '');
    this.overload = init.overload ?? '';
    this.#name = init.name ?? '';
    this.origin = init.origin ?? NO_ORIGIN;
    // arrays that grow by assignment reserve many places, so both are made in their lengths
    this.#inputs = new Array(init.inputs.length);
    this.#uses = new Array(init.inputs.length);
    for (let index = 0; index < init.inputs.length; index++) this.#bind(index, init.inputs[index] ?? null);
    this.#outputs = init.outputs.map((name, index) => new Value(name, this as Node, index));
    for (const [name, attr] of init.attrs ?? NO_ATTRS) {
      this.#attrs ??= new Map();
      this.#attrs.set(name, attr);
      this.#own(attr);
    }
  }

  get name(): string {
    return this.#name;
  }
  get inputs(): readonly (Value | null)[] {
    return this.#inputs;
  }
  get outputs(): readonly Value[] {
    return this.#outputs;
  }
  get attrs(): ReadonlyMap<string, HeldAttr> {
    return this.#attrs ?? NO_ATTRS;
  }

  /** `Gemm`, `com.microsoft::FusedMatMul`: the key of the op tables. */
  get opKey(): string {
    return this.domain === '' ? this.op : `${this.domain}::${this.op}`;
  }

  /** Narrows to one op of the schema table, domain included. */
  is<const Q extends OpName>(op: Q): this is Node<Q> {
    return this.opKey === op;
  }

  rename(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    this.graph?.reserveNodeName(name);
    this.touch();
  }

  /** The only edge mutation. An index past the end grows the list with empty inputs. */
  setInput(index: number, value: Value | null): void {
    const use = this.#uses[index];
    if (use) this.#inputs[index]!.removeUse(use);
    while (this.#inputs.length < index) this.#bind(this.#inputs.length, null);
    this.#bind(index, value);
    this.touch();
  }

  /** @internal for the reader: gives its inputs to a node that was made without any, and takes the array over. */
  connect(inputs: (Value | null)[]): void {
    this.#inputs = inputs;
    this.#uses = new Array(inputs.length);
    for (let index = 0; index < inputs.length; index++) this.#bind(index, inputs[index]!);
  }

  /** Adds an output, e.g. LayerNormalization's statistics. */
  addOutput(name: string): Value {
    const value = new Value(name, this as Node, this.#outputs.length);
    this.#outputs = [...this.#outputs, value];
    this.graph?.adopt(value);
    this.touch();
    return value;
  }

  /** Sets an attribute, or removes it with null. */
  setAttr(name: string, attr: HeldAttr | null): void {
    if (attr === null) this.#attrs?.delete(name);
    else {
      this.#attrs ??= new Map();
      this.#attrs.set(name, attr);
      this.#own(attr);
    }
    this.touch();
  }

  setMetadata(metadata: ReadonlyMap<string, string>): void {
    this.metadata = metadata;
    this.touch();
  }

  /** Subgraphs held by attributes (If, Loop, Scan and custom ops), in attribute order. */
  subgraphs(): readonly Graph[] {
    if (this.#attrs === null) return NO_GRAPHS;
    let found: Graph[] | null = null;
    for (const attr of this.#attrs.values()) {
      for (const graph of attrGraphs(attr)) (found ??= []).push(graph);
    }
    return found ?? NO_GRAPHS;
  }

  /** Marks this node, and all that contains it, as different from the file it was read from. */
  touch(): void {
    this.edited = true;
    this.graph?.touch();
  }

  /** Whether the value at that input lists this node as a reader: false is a fault in the bookkeeping of uses. */
  isListed(index: number): boolean {
    const use = this.#uses[index];
    return !!use && use.index === index && (this.#inputs[index]?.hasUse(use) ?? false);
  }

  /** @internal for Graph.erase: lets go of the inputs. */
  dropInputs(): void {
    for (const [index, use] of this.#uses.entries()) {
      if (use) this.#inputs[index]!.removeUse(use);
    }
    this.#uses = [];
    this.#inputs = [];
  }

  /** `name` or, for an unnamed node, the op and its first output: what messages call the node. */
  get label(): string {
    return this.#name !== '' ? this.#name : `${this.op}->${this.#outputs[0]?.name ?? ''}`;
  }

  #bind(index: number, value: Value | null): void {
    const use = value ? { node: this as Node, index } : null;
    this.#inputs[index] = value;
    this.#uses[index] = use;
    if (use) value!.addUse(use);
  }

  #own(attr: HeldAttr): void {
    for (const graph of attrGraphs(attr)) {
      graph.owner = this as Node;
      if (this.graph) this.graph.holdsGraphs = true;
    }
  }
}

const NO_GRAPHS: readonly Graph[] = [];
const NO_ATTRS: ReadonlyMap<string, HeldAttr> = new Map();
const NO_ORIGIN: Origin = { from: [] };
