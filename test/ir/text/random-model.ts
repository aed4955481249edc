import type { Attr, HeldAttr } from '../../../src/ir/attr.js';
import { byteLengthOf, type DType, dtypeBits, dtypeFromOnnx } from '../../../src/ir/dtype.js';
import { Graph, GraphFunction, Model, type Node, type Value } from '../../../src/ir/model.js';
import type { ValueType } from '../../../src/ir/shape.js';
import { MemoryTensor, StringTensor, type TensorData } from '../../../src/ir/tensor.js';

const NAMES = [
  ...[
    'x',
    'y',
    'v1',
    'v2',
    'v3',
    'float',
    'nan',
    'inf',
    'seq',
    'proto',
    'graph',
    'a b',
    'blk.0.q',
    'x:0',
    '1a',
    '-',
  ],
  ...['\u00e9\n"\\', '#@', '', '\ufeffz', '\u03a9', '\u{1f600}', '\x00', '\x7f'],
];
const DTYPES: readonly DType[] = [
  ...Array.from({ length: 28 }, (_, code) => dtypeFromOnnx(code)),
  'opaque:99',
];
const FLOATS = [
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1,
  0.1,
  1e-45,
  3.4028235e38,
];
const INTS = [0, -1, 5, 9007199254740991, -(2n ** 63n), 2n ** 63n - 1n];

/** Makes models at random: valid and invalid, with all kinds of names, types, tensors, attributes, cycles and duplicates. */
export class RandomModels {
  #seed: number;
  /** edges are made when every graph is in its place, outermost first */
  readonly #later: (() => void)[] = [];

  constructor(seed: number) {
    this.#seed = seed;
  }

  model(): Model {
    const model = new Model(this.#graph(0));
    model.irVersion = this.#below(14);
    model.modelVersion = this.#pick([null, 3, 2n ** 62n]);
    model.producerName = this.#name();
    model.docString = this.#name();
    for (const [key, value] of this.#metadata()) model.setMetadata(key, value);
    model.setOpset(this.#name(), this.#below(30));
    for (let count = this.#below(3); count > 0; count--) {
      const fn = new GraphFunction(this.#name(), this.#name(), this.#name(), this.#graph(1));
      fn.attributes = this.#below(2) ? [this.#name()] : [];
      fn.defaults = this.#below(2) ? [[this.#name(), this.#attr(3)]] : [];
      fn.metadata = this.#metadata();
      fn.docString = this.#name();
      if (!model.functions.has(fn.key)) model.addFunction(fn);
    }
    for (const bind of this.#later.splice(0)) bind();
    return model;
  }

  #below(limit: number): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((this.#seed / 0x80000000) * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  #list<T>(limit: number, make: () => T): T[] {
    return Array.from({ length: this.#below(limit) }, make);
  }

  #name(): string {
    return this.#pick(NAMES);
  }

  #bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#below(256));
  }

  #metadata(): Map<string, string> {
    return new Map(this.#below(3) ? [] : [[this.#name(), this.#name()]]);
  }

  #tensor(): TensorData {
    const dtype = this.#pick(DTYPES);
    const shape = this.#list(3, () => this.#below(5));
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (dtype === 'string') {
      return new StringTensor(
        shape,
        Array.from({ length: count }, () => this.#bytes(this.#below(5))),
      );
    }
    const length = dtypeBits(dtype) ? byteLengthOf(dtype, count)! : this.#below(9);
    return new MemoryTensor(dtype, shape, this.#bytes(length));
  }

  #type(): ValueType | null {
    const shape = this.#pick([null, [], [1, 'N', null, this.#name()], [0, 3]]);
    return this.#pick<ValueType | null>([
      null,
      { kind: 'raw', proto: this.#bytes(this.#below(6)) },
      { kind: 'raw', proto: Buffer.from('22080a060a0408011200', 'hex').subarray(0, this.#below(11)) },
      { kind: 'tensor', dtype: this.#pick(DTYPES), shape },
    ]);
  }

  #attr(depth: number): HeldAttr {
    const float = () => Math.fround(this.#pick(FLOATS));
    const int = () => this.#pick(INTS);
    const graph = () => this.#graph(depth + 1);
    const kinds: (() => Attr)[] = [
      () => ({ kind: 'float', value: float() }),
      () => ({ kind: 'int', value: int() }),
      () => ({ kind: 'string', value: this.#bytes(this.#below(9)) }),
      () => ({ kind: 'tensor', value: this.#tensor() }),
      () => ({ kind: 'floats', value: this.#list(4, float) }),
      () => ({ kind: 'ints', value: this.#list(4, int) }),
      () => ({ kind: 'strings', value: this.#list(4, () => this.#bytes(this.#below(5))) }),
      () => ({ kind: 'tensors', value: this.#list(3, () => this.#tensor()) }),
      () => ({ kind: 'ref', name: this.#name(), type: this.#below(17) }),
      () => ({ kind: 'raw', type: this.#pick([0, 4, 5, 11, 12, 13, 14, 15, 99]) }),
      () => ({ kind: 'graph', value: graph() }),
      () => ({ kind: 'graphs', value: this.#list(3, graph) }),
    ];
    const attr = this.#pick(depth > 2 ? kinds.slice(0, -2) : kinds)();
    return this.#below(5) ? attr : { ...attr, docString: this.#name() };
  }

  #graph(depth: number): Graph {
    const slot = this.#later.push(() => undefined) - 1;
    const graph = new Graph(this.#name());
    if (!this.#below(3)) graph.docString = this.#name();
    graph.metadata = this.#metadata();
    for (const name of this.#list(3, () => this.#name())) {
      if (!graph.own(name)) graph.addInput(name, this.#type());
    }
    for (const name of this.#list(4, () => this.#name())) {
      const own = graph.own(name);
      if (own?.isInput && !own.constant) graph.makeOverridable(own, this.#tensor());
      else if (!own && !graph.initializers.has(name)) {
        const value = graph.addInitializer(name, this.#tensor());
        if (!this.#below(4)) value.setType(this.#type());
      }
    }
    const nodes = this.#list(6, () => this.#node(graph, depth));
    this.#later[slot] = () => {
      const find = (name: string): Value => graph.find(name) ?? graph.declare(name, false);
      for (const node of nodes) {
        for (const [at, name] of this.#list(4, () => this.#name()).entries()) {
          node.setInput(at, name === '' ? null : find(name));
        }
      }
      for (const name of this.#list(3, () => this.#name())) graph.addOutput(find(name));
    };
    return graph;
  }

  #node(graph: Graph, depth: number): Node {
    const node = graph.append({
      op: this.#pick(['Add', 'Foo-Bar', 'Optional', 'a.b', '']),
      domain: this.#pick(['', '', 'com.microsoft', 'my-domain', 'a..b', '.']),
      overload: this.#pick(['', '', 'o', 'x y']),
      name: this.#name(),
      inputs: [],
      outputs: this.#list(3, () => this.#name()),
      attrs: this.#list(4, () => [this.#pick(['alpha', 'a b', 'float', 'b']), this.#attr(depth)] as const),
      origin: this.#below(3) ? { from: [] } : { from: [this.#name()], pass: this.#name() },
    });
    if (!this.#below(4)) node.docString = this.#name();
    node.metadata = this.#metadata();
    for (const output of node.outputs) {
      if (!this.#below(3)) output.setType(this.#type());
      if (!this.#below(4)) output.docString = this.#name();
      output.metadata = this.#metadata();
    }
    return node;
  }
}
