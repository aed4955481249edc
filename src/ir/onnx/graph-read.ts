import type { Attr, HeldAttr, Int } from '../attr.js';
import { type Carried, NO_FIELDS, type RawField } from '../carried.js';
import { Graph, Node } from '../model.js';
import type { ValueType } from '../shape.js';
import type { TensorData } from '../tensor.js';
import type { ExternalData } from './external.js';
import { readEntry, readTensor } from './tensor-read.js';
import { readType } from './types.js';
import { BYTES, FIXED32, type Scanner, VARINT } from './wire.js';

/** Graphs nested in attributes deeper than this are refused before the stack is in danger. */
const MAX_NESTING = 64;

/**
 * A graph as it is in the file: everything by name. `build.ts` turns names into values. Nodes are made at once, without
 * their inputs; a large graph has hundreds of thousands, and a draft of each would cost as much as the node.
 */
export interface GraphDraft {
  readonly graph: Graph;
  readonly nodes: Node[];
  /** names of the inputs of all nodes, one node after another */
  readonly reads: string[];
  /** for each node the number of its inputs */
  readonly counts: number[];
  /** drafts of the graphs that attributes of the nodes hold, in their order */
  readonly nested: GraphDraft[];
  readonly inputs: InfoDraft[];
  readonly outputs: InfoDraft[];
  readonly valueInfo: InfoDraft[];
  readonly initializers: { readonly name: string; readonly data: TensorData }[];
  /** names that sparse initializers define */
  readonly sparse: string[];
}

export interface AttrDraft {
  readonly name: string;
  readonly attr: HeldAttr;
  readonly graphs: readonly GraphDraft[];
}

export interface InfoDraft {
  readonly name: string;
  readonly type: ValueType | null;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly carried: Carried;
}

/** Reads GraphProto, NodeProto, AttributeProto and ValueInfoProto. Each method expects `scan.pos` at the message body. */
export class GraphReader {
  #depth = 0;
  /** names of the outputs of the node that is being read, for each level of nesting */
  readonly #outputs: string[][] = [];

  constructor(
    readonly scan: Scanner,
    readonly external: ExternalData,
  ) {}

  body(): GraphDraft {
    return {
      graph: new Graph(''),
      nodes: [],
      reads: [],
      counts: [],
      nested: [],
      inputs: [],
      outputs: [],
      valueInfo: [],
      initializers: [],
      sparse: [],
    };
  }

  /** Fills `draft` from the GraphProto whose tag is at `start` and whose body ends at `end`. */
  graph(draft: GraphDraft, start: number, end: number): void {
    const { scan } = this;
    const { graph } = draft;
    if (++this.#depth > MAX_NESTING) scan.exceeds('nesting of graphs', `${MAX_NESTING} levels`);
    const offset = scan.pos;
    const unknown: RawField[] = [];
    const metadata = new Map<string, string>();
    while (scan.pos < end) {
      const at = scan.pos;
      const [field, wire] = scan.tag();
      if (wire === BYTES && field === 16) {
        metadata.set(...readEntry(scan, end));
        continue;
      }
      const stop = wire === BYTES ? scan.length(end) + scan.pos : 0;
      if (wire !== BYTES) {
        scan.skip(wire, end);
        unknown.push(this.#raw(field, at));
      } else if (field === 1) this.node(draft, at, stop);
      else if (field === 2 && stop > scan.pos) graph.name = scan.string(stop - scan.pos);
      else if (field === 5) {
        const data = readTensor(scan, at, stop, this.external);
        draft.initializers.push({ name: data.carried?.name ?? '', data });
      } else if (field === 10 && stop > scan.pos) graph.docString = scan.string(stop - scan.pos);
      else if (field === 11) draft.inputs.push(this.valueInfo(at, stop));
      else if (field === 12) draft.outputs.push(this.valueInfo(at, stop));
      else if (field === 13) draft.valueInfo.push(this.valueInfo(at, stop));
      else if (field === 15) {
        draft.sparse.push(this.#sparseName(stop));
        unknown.push(this.#raw(field, at));
      } else {
        scan.pos = stop;
        unknown.push(this.#raw(field, at));
      }
    }
    graph.metadata = metadata;
    graph.carried = this.#carried(start, offset, end, unknown);
    this.#depth--;
  }

  /** Adds a node to `draft`. */
  node(draft: GraphDraft, start: number, end: number): void {
    const { scan } = this;
    const offset = scan.pos;
    let unknown: RawField[] | null = null;
    const { reads } = draft;
    const before = reads.length;
    this.#outputs[this.#depth] ??= [];
    const outputs = this.#outputs[this.#depth]!;
    outputs.length = 0;
    let attrs: (readonly [string, HeldAttr])[] | null = null;
    let name = '';
    let op = '';
    let domain = '';
    let overload = '';
    let docString = '';
    let metadata: Map<string, string> | null = null;
    while (scan.pos < end) {
      const at = scan.pos;
      const field = scan.field();
      if (scan.wire !== BYTES) {
        scan.skip(scan.wire, end);
        (unknown ??= []).push(this.#raw(field, at));
      } else if (field === 1) reads.push(scan.name(scan.length(end)));
      else if (field === 2) outputs.push(scan.name(scan.length(end)));
      else if (field === 3) name = scan.string(scan.length(end));
      else if (field === 4) op = scan.name(scan.length(end));
      else if (field === 5) {
        const { name: key, attr, graphs } = this.attribute(at, scan.length(end) + scan.pos);
        (attrs ??= []).push([key, attr]);
        if (graphs.length > 0) draft.nested.push(...graphs);
      } else if (field === 6) docString = scan.string(scan.length(end));
      else if (field === 7) domain = scan.name(scan.length(end));
      else if (field === 8) overload = scan.string(scan.length(end));
      else if (field === 9) (metadata ??= new Map()).set(...readEntry(scan, end));
      else {
        scan.skip(BYTES, end);
        (unknown ??= []).push(this.#raw(field, at));
      }
    }
    const node = new Node({
      op,
      domain,
      overload,
      name,
      inputs: NO_INPUTS,
      outputs,
      attrs: attrs ?? NO_ATTRS,
    });
    node.docString = docString;
    if (metadata) node.metadata = metadata;
    node.carried = this.#carried(start, offset, end, unknown ?? NO_FIELDS);
    draft.nodes.push(node);
    draft.counts.push(reads.length - before);
  }

  attribute(start: number, end: number): AttrDraft {
    const { scan } = this;
    const offset = scan.pos;
    const unknown: RawField[] = [];
    let name = '';
    let type = 0;
    let ref = '';
    let docString = '';
    let float = 0;
    let int: Int = 0;
    let string: Uint8Array = new Uint8Array(0);
    const floats: number[] = [];
    const ints: Int[] = [];
    const strings: Uint8Array[] = [];
    const tensors: TensorData[] = [];
    const graphs: GraphDraft[] = [];
    let seen = 0; // field of the last value: the type of attributes written before IR version 3 had types
    while (scan.pos < end) {
      const at = scan.pos;
      const [field, wire] = scan.tag();
      if (field === 1 && wire === BYTES) name = scan.name(scan.length(end));
      else if (field === 2 && wire === FIXED32) float = scan.float32();
      else if (field === 3 && wire === VARINT) int = scan.int64();
      else if (field === 4 && wire === BYTES) string = scan.bytes(scan.length(end));
      else if ((field === 5 || field === 10) && wire === BYTES) {
        tensors.push(readTensor(scan, at, scan.length(end) + scan.pos, this.external));
      } else if ((field === 6 || field === 11) && wire === BYTES) {
        const stop = scan.length(end) + scan.pos;
        const draft = this.body();
        this.graph(draft, at, stop);
        graphs.push(draft);
      } else if (field === 7 && wire === FIXED32) floats.push(scan.float32());
      else if (field === 7 && wire === BYTES) {
        for (const stop = scan.length(end) + scan.pos; scan.pos < stop; ) floats.push(scan.float32());
      } else if (field === 8 && wire === VARINT) ints.push(scan.int64());
      else if (field === 8 && wire === BYTES) {
        for (const stop = scan.length(end) + scan.pos; scan.pos < stop; ) ints.push(scan.int64());
      } else if (field === 9 && wire === BYTES) strings.push(scan.bytes(scan.length(end)));
      else if (field === 13 && wire === BYTES) docString = scan.string(scan.length(end));
      else if (field === 20 && wire === VARINT) type = scan.uint();
      else if (field === 21 && wire === BYTES) ref = scan.string(scan.length(end));
      else {
        scan.skip(wire, end);
        unknown.push(this.#raw(field, at));
        continue;
      }
      if (field >= 2 && field <= 11) seen = field;
      if (scan.pos > end) scan.fail('a field runs past the end of its attribute', at);
    }
    const carried = this.#carried(start, offset, end, unknown);
    const held = (attr: Attr): HeldAttr => ({ ...attr, ...(docString ? { docString } : {}), carried });
    const of = type || (FIELD_TYPES.get(seen) ?? 0);
    const only = graphs.map((draft) => draft.graph);
    const attr = ((): Attr => {
      if (ref !== '') return { kind: 'ref', name: ref, type: of };
      switch (of) {
        case 1:
          return { kind: 'float', value: float };
        case 2:
          return { kind: 'int', value: int };
        case 3:
          return { kind: 'string', value: string };
        case 4:
          return tensors[0] ? { kind: 'tensor', value: tensors[0] } : { kind: 'raw', type: of };
        case 5:
          return only[0] ? { kind: 'graph', value: only[0] } : { kind: 'raw', type: of };
        case 6:
          return { kind: 'floats', value: floats };
        case 7:
          return { kind: 'ints', value: ints };
        case 8:
          return { kind: 'strings', value: strings };
        case 9:
          return { kind: 'tensors', value: tensors };
        case 10:
          return { kind: 'graphs', value: only };
        default:
          return { kind: 'raw', type: of };
      }
    })();
    return { name, attr: held(attr), graphs: attr.kind === 'graph' || attr.kind === 'graphs' ? graphs : [] };
  }

  valueInfo(start: number, end: number): InfoDraft {
    const { scan } = this;
    const offset = scan.pos;
    const unknown: RawField[] = [];
    const metadata = new Map<string, string>();
    let name = '';
    let docString = '';
    let type: ValueType | null = null;
    while (scan.pos < end) {
      const at = scan.pos;
      const [field, wire] = scan.tag();
      if (field === 1 && wire === BYTES) name = scan.string(scan.length(end));
      else if (field === 2 && wire === BYTES) type = readType(scan.bytes(scan.length(end)));
      else if (field === 3 && wire === BYTES) docString = scan.string(scan.length(end));
      else if (field === 4 && wire === BYTES) metadata.set(...readEntry(scan, end));
      else {
        scan.skip(wire, end);
        unknown.push(this.#raw(field, at));
      }
    }
    return { name, type, docString, metadata, carried: this.#carried(start, offset, end, unknown) };
  }

  /** SparseTensorProto: its `values` tensor (field 1) carries the name. */
  #sparseName(end: number): string {
    const { scan } = this;
    let name = '';
    while (scan.pos < end) {
      const at = scan.pos;
      const [field, wire] = scan.tag();
      if (field === 1 && wire === BYTES) {
        const tensor = readTensor(scan, at, scan.length(end) + scan.pos, this.external);
        name = tensor.carried?.name ?? '';
      } else scan.skip(wire, end);
    }
    return name;
  }

  #raw(field: number, start: number): RawField {
    return { field, source: this.scan.source, offset: start, length: this.scan.pos - start };
  }

  #carried(start: number, offset: number, end: number, unknown: readonly RawField[]): Carried {
    return { source: this.scan.source, start, offset, length: end - offset, unknown };
  }
}

const NO_INPUTS: readonly null[] = [];
const NO_ATTRS: readonly (readonly [string, HeldAttr])[] = [];

/** AttributeProto.type for the field that holds the value (files before IR version 3 leave the type out). */
const FIELD_TYPES: ReadonlyMap<number, number> = new Map([
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 4],
  [6, 5],
  [7, 6],
  [8, 7],
  [9, 8],
  [10, 9],
  [11, 10],
]);
