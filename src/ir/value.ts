import type { Carried } from './carried.js';
import type { Graph } from './graph.js';
import type { Node } from './node.js';
import type { ValueType } from './shape.js';
import type { TensorData } from './tensor.js';

/** One edge: `node` reads the value as its input number `index`. */
export interface Use {
  readonly node: Node;
  readonly index: number;
}

/**
 * A value: the output of a node, an input of a graph, an initializer, or both of the last two (an overridable
 * initializer). A value with neither producer, data nor input role is missing: its name is used but nothing defines
 * it; the verifier reports it. Made by graphs and nodes only.
 */
export class Value {
  /** the graph that defines the value; null while its producer is in no graph */
  graph: Graph | null = null;
  isInput = false;
  /** defined by a sparse initializer, which is carried and not understood */
  isSparse = false;
  docString = '';
  metadata: ReadonlyMap<string, string> = NO_METADATA;
  /** the ValueInfoProto that was read for it as input, output or value_info, while neither name nor type changed */
  infoEdited = false;
  /** the type is no longer the one that was read */
  typeEdited = false;
  #name: string;
  #type: ValueType | null = null;
  #constant: TensorData | null = null;
  // most values of a large graph have one reader or none: a set is made for the second one, or on demand
  #only: Use | null = null;
  #uses: Set<Use> | null = null;

  constructor(
    name: string,
    readonly producer: Node | null = null,
    readonly outputIndex = 0,
  ) {
    this.#name = name;
  }

  /** An empty name represents an output that the node does not deliver. */
  get name(): string {
    return this.#name;
  }

  get type(): ValueType | null {
    return this.#type;
  }

  /** The data of an initializer; null otherwise. */
  get constant(): TensorData | null {
    return this.#constant;
  }

  /** Edges that read this value, in the order they were made. Maintained by nodes, never by callers. */
  get uses(): ReadonlySet<Use> {
    if (this.#only) {
      this.#uses = new Set([this.#only]);
      this.#only = null;
    }
    return this.#uses ?? NO_USES;
  }

  /** The edge that reads this value where there is exactly one, found without making the set of `uses`; else null. */
  get soleUse(): Use | null {
    if (this.#only || this.#uses?.size !== 1) return this.#only;
    const [use] = this.#uses;
    return use!;
  }

  /** True when some graph names it among its outputs. */
  get isOutput(): boolean {
    return this.#outputOf > 0;
  }
  #outputOf = 0;

  /** Gives the value another name; the name must be free (see `Names`). Every reader is marked edited. */
  rename(name: string): void {
    if (name === this.#name) return;
    this.infoEdited = true;
    this.graph?.renameValue(this, this.#name, name);
    this.#name = name;
    this.producer?.touch();
    for (const use of this.uses) use.node.touch();
  }

  /** Records a type. `fromFile` keeps the value unedited: the reader and shape inference say what is already so. */
  setType(type: ValueType | null, fromFile = false): void {
    this.#type = type;
    if (!fromFile) {
      this.infoEdited = true;
      this.typeEdited = true;
      this.graph?.touch();
    }
  }

  /** Replaces an initializer's data. Throws when the value is not an initializer. */
  setConstant(data: TensorData): void {
    if (!this.#constant) throw new Error(`"${this.#name}" is not an initializer`);
    this.#constant = data;
    this.graph?.touch();
  }

  /**
   * Makes every reader of this value, and every graph output that it is, use `other` instead. A public output name
   * stays: `other` takes it and this value gets a fresh one. Throws when `other` cannot take the name because it is
   * itself public (input, output, initializer) or lives in another graph; callers then keep an Identity between them.
   */
  replaceAllUsesWith(other: Value): void {
    if (other === this) return;
    if (this.isOutput) {
      if (!canTakeName(this, other))
        throw new Error(`"${other.name}" cannot take the public name "${this.#name}"`);
      const name = this.#name;
      this.rename(this.graph!.names.freshValue(`${name}/replaced`));
      other.rename(name);
      this.graph!.replaceOutput(this, other);
    }
    for (const use of [...this.uses]) use.node.setInput(use.index, other);
  }

  /** @internal for Node: `uses.has(use)` without making the set */
  hasUse(use: Use): boolean {
    return this.#only === use || (this.#uses?.has(use) ?? false);
  }
  /** @internal for Node */
  addUse(use: Use): void {
    if (this.#uses) this.#uses.add(use);
    else if (this.#only) this.#uses = new Set([this.#only, use]);
    else {
      this.#only = use;
      return;
    }
    this.#only = null;
  }
  /** @internal for Node */
  removeUse(use: Use): void {
    if (this.#only === use) this.#only = null;
    else this.#uses?.delete(use);
  }
  /** @internal for Graph */
  countOutput(by: 1 | -1): void {
    this.#outputOf += by;
  }
  /** @internal for Graph */
  bindConstant(data: TensorData | null): void {
    this.#constant = data;
  }
}

/** Whether `replaceAllUsesWith(other)` may hand this graph output's name over. */
export function canTakeName(output: Value, other: Value): boolean {
  return (
    !other.isOutput && !other.isInput && !other.constant && !other.isSparse && other.graph === output.graph
  );
}

/** What the reader found for a value in one of a graph's lists. */
export interface CarriedInfo {
  readonly value: Value;
  readonly carried: Carried;
}

const NO_USES: ReadonlySet<Use> = new Set();
export const NO_METADATA: ReadonlyMap<string, string> = new Map();
