import { type Attr, attrTensor } from './attr.js';
import { type Graph, GraphFunction, Model, modelOf, Node, type Value } from './model.js';
import type { Builder } from './ops/core/define.js';
import type { TensorData } from './tensor.js';

export interface BuilderPlace {
  /** new nodes go before this node; null: to the end of the graph */
  readonly before: Node | null;
  /** name of the pass, recorded in each node's origin: later passes clean up only what lotrc made */
  readonly pass: string;
  /** names of the source nodes, recorded likewise */
  readonly from?: readonly string[];
  /** prefix of fresh names, e.g. `lotr/encoder.0.q` */
  readonly prefix?: string;
}

/**
 * Makes nodes at one place of a graph. Output names are `<prefix>/<Op>` made unique, or the names given; a node without
 * a given name is named like its first output, so that every node lotrc makes can be found.
 */
export class GraphBuilder implements Builder {
  readonly opset: number;
  readonly #place: BuilderPlace;

  constructor(
    readonly graph: Graph,
    place: BuilderPlace,
  ) {
    this.#place = place;
    this.opset = opsetOf(graph);
  }

  node(
    op: string,
    inputs: readonly (Value | null)[],
    attrs: Readonly<Record<string, Attr>> = {},
    options: {
      readonly domain?: string;
      readonly name?: string;
      readonly outputs?: number | readonly string[];
    } = {},
  ): Value[] {
    const { names } = this.graph;
    const hint = this.#place.prefix === undefined ? op : `${this.#place.prefix}/${op}`;
    const wanted = options.outputs ?? 1;
    const outputs =
      typeof wanted === 'number'
        ? Array.from({ length: wanted }, (_, i) => names.freshValue(i === 0 ? hint : `${hint}.${i}`))
        : wanted.map((name) => (name === '' ? '' : names.freshValue(name)));
    const node = new Node({
      op,
      domain: options.domain ?? '',
      name: names.freshNode(options.name ?? outputs[0] ?? hint),
      inputs,
      outputs,
      attrs: Object.entries(attrs),
      origin: { from: this.#place.from ?? [], pass: this.#place.pass },
    });
    if (this.#place.before) this.graph.insertBefore(this.#place.before, node);
    else this.graph.attach(node);
    return [...node.outputs];
  }

  /** The single output of an op that has one. */
  one(
    op: string,
    inputs: readonly (Value | null)[],
    attrs?: Readonly<Record<string, Attr>>,
    name?: string,
  ): Value {
    return this.node(op, inputs, attrs, name === undefined ? {} : { outputs: [name] })[0]!;
  }

  /** An initializer with that data, in the outermost graph around the place, where every nested graph sees it. */
  constant(data: TensorData, hint = 'constant'): Value {
    const graph = this.graph.outermost;
    if (graph.owner instanceof GraphFunction) {
      return this.node('Constant', [], { value: attrTensor(data) }, { outputs: [hint] })[0]!;
    }
    return graph.addInitializer(graph.names.freshValue(hint), data);
  }
}

/** Version of the standard operator set that nodes of a graph are read in; 0 when the model imports none. */
export function opsetOf(graph: Graph, domain = ''): number {
  const { owner } = graph.outermost;
  if (owner instanceof GraphFunction) return owner.opsets.get(domain) ?? 0;
  if (owner instanceof Model) return owner.opsets.get(domain) ?? 0;
  return modelOf(graph)?.opsets.get(domain) ?? 0;
}
