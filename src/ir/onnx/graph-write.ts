import type { HeldAttr } from '../attr.js';
import type { Carried, RawField } from '../carried.js';
import { unknownFieldsTravel } from '../codes/load.js';
import type { Diagnostic } from '../diagnostics.js';
import { type Graph, type GraphFunction, type Model, type Node, nodePath, type Value } from '../model.js';
import type { TensorData } from '../tensor.js';
import { labelOf } from '../tensor-label.js';
import type { CarriedInfo } from '../value.js';
import { ProtoMessage } from './encode.js';
import { withCarried } from './entries.js';
import { encodeTensor, type Placement } from './tensor-write.js';
import { encodeType } from './types.js';
import { BYTES, Scanner } from './wire.js';

/** Decides where a tensor's elements go. Null: the tensor is written exactly as it was read. */
export type TensorPlacer = (name: string, data: TensorData) => Placement | null;

const INLINE: Placement = { kind: 'inline' };

/**
 * Encodes a model in field order. What was not edited since it was read is copied byte for byte, unless `canonical`
 * asks for a fresh encoding of everything; unmodelled fields follow the modelled ones of their message.
 */
export class ModelEncoder {
  readonly notes: Diagnostic[] = [];

  constructor(
    readonly place: TensorPlacer,
    readonly canonical = false,
  ) {}

  model(model: Model): ProtoMessage {
    const out = new ProtoMessage();
    out.int(1, model.irVersion).text(2, model.producerName).text(3, model.producerVersion);
    out.text(4, model.domain);
    if (model.modelVersion !== null) out.int(5, model.modelVersion);
    out.text(6, model.docString).message(7, this.graph(model.graph));
    for (const [domain, version, raw] of withCarried(model, 'opset', model.opsets)) {
      if (raw) out.raw([raw]);
      else out.message(8, encodeOpset(domain, version));
    }
    for (const [key, value, raw] of withCarried(model, 'metadata', model.metadata)) {
      if (raw) out.raw([raw]);
      else out.entry(14, key, value);
    }
    const unknown = model.carried?.unknown ?? [];
    out.raw(unknown.filter(({ field }) => field < 25));
    for (const fn of model.functions.values()) {
      if (!this.canonical && !fn.edited && fn.carried) out.copy(fn.carried);
      else out.message(25, this.function(fn));
    }
    return out.raw(unknown.filter(({ field }) => field >= 25));
  }

  graph(graph: Graph): ProtoMessage {
    const out = new ProtoMessage();
    for (const node of graph.nodes) this.#node(out, 1, node);
    out.text(2, graph.name);
    for (const value of graph.initializers.values()) this.#initializer(out, value);
    out.text(10, graph.docString);
    this.#infos(out, 11, graph.inputs, graph.inputInfo);
    this.#infos(out, 12, graph.outputs, graph.outputInfo);
    for (const [value, carried] of graph.valueInfo) this.#info(out, 13, { value, carried });
    for (const carried of graph.looseInfo) out.copy(carried);
    out.raw(graph.carried?.unknown ?? []);
    for (const [key, value] of graph.metadata) out.entry(16, key, value);
    return out;
  }

  function(fn: GraphFunction): ProtoMessage {
    const out = new ProtoMessage().text(1, fn.name);
    for (const input of fn.graph.inputs) out.string(4, input.name);
    for (const output of fn.graph.outputs) out.string(5, output.name);
    for (const name of fn.attributes) out.string(6, name);
    for (const node of fn.graph.nodes) this.#node(out, 7, node);
    out.text(8, fn.docString);
    for (const [domain, version] of fn.opsets) out.message(9, encodeOpset(domain, version));
    out.text(10, fn.domain);
    for (const [name, attr] of fn.defaults) this.#attr(out, 11, name, attr);
    for (const [value, carried] of fn.graph.valueInfo) this.#info(out, 12, { value, carried });
    for (const carried of fn.graph.looseInfo) out.copy(carried);
    out.text(13, fn.overload);
    for (const [key, value] of fn.metadata) out.entry(14, key, value);
    return out.raw(fn.carried?.unknown ?? []);
  }

  #node(out: ProtoMessage, field: number, node: Node): void {
    if (!this.canonical && !node.edited && node.carried) {
      out.copy(node.carried);
      return;
    }
    const inner = new ProtoMessage();
    for (const input of node.inputs) inner.string(1, input?.name ?? '');
    for (const output of node.outputs) inner.string(2, output.name);
    inner.text(3, node.name).text(4, node.op);
    for (const [name, attr] of node.attrs) this.#attr(inner, 5, name, attr);
    inner.text(6, node.docString).text(7, node.domain).text(8, node.overload);
    for (const [key, value] of node.metadata) inner.entry(9, key, value);
    const unknown = node.carried?.unknown ?? [];
    if (unknown.length > 0 && node.edited) {
      const at = { kind: 'node', path: nodePath(node), op: node.op } as const;
      const fields = unknown.map((raw) => raw.field);
      this.notes.push(unknownFieldsTravel({ what: 'a node', at, fields }));
    }
    out.message(field, inner.raw(unknown));
  }

  #attr(out: ProtoMessage, field: number, name: string, attr: HeldAttr): void {
    const nested = attr.kind === 'graph' || attr.kind === 'graphs';
    const same = nested ? ![attr.value].flat().some((graph) => (graph as Graph).edited) : true;
    if (attr.carried && (attr.kind === 'raw' || (same && !this.canonical))) {
      out.copy(attr.carried);
      return;
    }
    const inner = new ProtoMessage().string(1, name);
    if (attr.kind === 'float') inner.float(2, attr.value);
    else if (attr.kind === 'int') inner.int(3, attr.value);
    else if (attr.kind === 'string') inner.bytes(4, attr.value);
    else if (attr.kind === 'tensor')
      inner.message(5, encodeTensor(labelOf(attr.value).name, attr.value, INLINE));
    else if (attr.kind === 'graph') inner.message(6, this.graph(attr.value));
    else if (attr.kind === 'floats') for (const value of attr.value) inner.float(7, value);
    else if (attr.kind === 'ints') for (const value of attr.value) inner.int(8, value);
    else if (attr.kind === 'strings') for (const value of attr.value) inner.bytes(9, value);
    else if (attr.kind === 'tensors') {
      for (const value of attr.value) inner.message(10, encodeTensor(labelOf(value).name, value, INLINE));
    } else if (attr.kind === 'graphs') for (const value of attr.value) inner.message(11, this.graph(value));
    inner.text(13, attr.docString ?? '');
    inner.int(20, attr.kind === 'ref' || attr.kind === 'raw' ? attr.type : ATTR_TYPES[attr.kind]);
    if (attr.kind === 'ref') inner.string(21, attr.name);
    out.message(field, inner.raw(attr.carried?.unknown ?? []));
  }

  #initializer(out: ProtoMessage, value: Value): void {
    const data = value.constant!;
    const placement = this.place(value.name, data);
    const { carried } = data;
    if (!this.canonical && placement === null && carried && carried.name === value.name) out.copy(carried);
    else out.message(5, encodeTensor(value.name, data, placement ?? asRead(data)));
  }

  #infos(out: ProtoMessage, field: number, values: readonly Value[], read: readonly CarriedInfo[]): void {
    const held = new Map(read.map(({ value, carried }) => [value, carried]));
    for (const value of values) {
      const carried = held.get(value);
      if (carried) this.#info(out, field, { value, carried });
      else out.message(field, encodeInfo(value));
    }
  }

  #info(out: ProtoMessage, field: number, { value, carried }: CarriedInfo): void {
    if (!this.canonical && !value.infoEdited) out.copy(carried);
    else out.message(field, encodeInfo(value, carried).raw(carried.unknown));
  }
}

/** A tensor that was read keeps its kind of place; a new one goes inline. */
function asRead(data: TensorData): Placement {
  const external = data.carried?.external;
  return external ? { kind: 'external', entries: external } : INLINE;
}

/** A ValueInfoProto. A type that was not edited is the one that this list gave: lists may know more or less of a shape. */
function encodeInfo(value: Value, carried?: Carried): ProtoMessage {
  const out = new ProtoMessage().string(1, value.name);
  if (carried && !value.typeEdited) out.raw(typeFields(carried));
  else if (value.type) out.bytes(2, encodeType(value.type));
  out.text(3, value.docString);
  for (const [key, text] of value.metadata) out.entry(4, key, text);
  return out;
}

/** The `type` field of a ValueInfoProto as it is in the file. */
function typeFields({ source, offset, length }: Carried): RawField[] {
  const scan = new Scanner(source, offset);
  const found: RawField[] = [];
  while (scan.pos < offset + length) {
    const start = scan.pos;
    const [field, wire] = scan.tag();
    scan.skip(wire, offset + length);
    if (field === 2 && wire === BYTES) found.push({ field, source, offset: start, length: scan.pos - start });
  }
  return found;
}

function encodeOpset(domain: string, version: number): ProtoMessage {
  return new ProtoMessage().text(1, domain).int(2, version);
}

/** AttributeProto.AttributeType */
const ATTR_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;
