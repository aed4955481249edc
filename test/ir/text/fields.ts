import type { Attr, HeldAttr } from '../../../src/ir/attr.js';
import { attrGraphs } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Graph, Model, Node, Value } from '../../../src/ir/model.js';
import type { ValueType } from '../../../src/ir/shape.js';
import type { TensorData } from '../../../src/ir/tensor.js';
import { labelOf } from '../../../src/ir/tensor-label.js';

/**
 * A model as plain data, every field of the IR: two models are the same when these are equal. Names and documentation
 * of tensors are left out on demand: the writer takes them only from tensors that were read.
 */
export function fieldsOf(model: Model, tensorLabels = true): unknown {
  labels = tensorLabels;
  return {
    ir: model.irVersion,
    header: [
      model.producerName,
      model.producerVersion,
      model.domain,
      String(model.modelVersion),
      model.docString,
    ],
    opsets: [...model.opsets],
    metadata: [...model.metadata],
    graph: graphFields(model.graph),
    functions: [...model.functions].map(([key, fn]) => ({
      key,
      doc: fn.docString,
      metadata: [...fn.metadata],
      opsets: [...fn.opsets],
      attributes: fn.attributes,
      defaults: fn.defaults.map(([name, attr]) => [name, attrFields(attr)]),
      graph: graphFields(fn.graph),
    })),
  };
}

let labels = true;

function graphFields(graph: Graph): unknown {
  const info = (value: Value) => [value.name, typeFields(value.type), value.docString, [...value.metadata]];
  // the text is in topological order, so nodes are compared by what they make
  const key = (node: Node) => [...node.outputs.map((output) => output.name), node.name, node.op].join(' ');
  const nodes = [...graph.nodes].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return {
    name: graph.name,
    doc: graph.docString,
    metadata: [...graph.metadata],
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map((value) => [...info(value), where(value, graph)]),
    initializers: [...graph.initializers.values()].map((value) => [
      ...info(value),
      tensorFields(value.constant!, false),
    ]),
    nodes: nodes.map((node) => ({
      op: [node.domain, node.op, node.overload],
      name: node.name,
      doc: node.docString,
      metadata: [...node.metadata],
      inputs: node.inputs.map((value) => value && [value.name, where(value, graph)]),
      outputs: node.outputs.map(info),
      attrs: [...node.attrs].map(([name, attr]) => [name, attrFields(attr)]),
    })),
  };
}

/** What a reference means: how many graphs out the value is, and what it is there. */
function where(value: Value, from: Graph): unknown {
  let out = 0;
  for (let graph: Graph | null = from; graph && graph !== value.graph; graph = graph.outer) out++;
  return [out, value.producer?.op ?? null, value.outputIndex, value.isInput, value.constant !== null];
}

function typeFields(type: ValueType | null): unknown {
  if (!type) return null;
  if (type.kind === 'raw') return Buffer.from(type.proto).toString('hex');
  return [type.dtype, type.shape];
}

/** Initializers have the name of their value, tensors of attributes one of their own (documentation is not shown). */
function tensorFields(tensor: TensorData, attribute = true): unknown {
  const { name, docString, metadata } = labelOf(tensor);
  const label = attribute ? [name] : [docString, [...metadata]];
  return [tensor.dtype, tensor.shape, tensor.byteLength, digest(tensor), ...(labels ? label : [])];
}

function digest(tensor: TensorData): string {
  try {
    return tensor.digest();
  } catch (error) {
    if (error instanceof LotrcError) return 'unavailable';
    throw error;
  }
}

function attrFields(attr: HeldAttr): unknown {
  return [attr.kind, attr.docString ?? '', valueFields(attr)];
}

function valueFields(attr: Attr | HeldAttr): unknown {
  switch (attr.kind) {
    case 'ref':
      return [attr.name, attr.type];
    case 'raw': {
      const carried = 'carried' in attr ? attr.carried : undefined;
      return [
        attr.type,
        carried && Buffer.from(carried.source.read(carried.offset, carried.length)).toString('hex'),
      ];
    }
    case 'tensor':
      return tensorFields(attr.value);
    case 'tensors':
      return attr.value.map((tensor) => tensorFields(tensor));
    case 'graph':
    case 'graphs':
      return attrGraphs(attr).map(graphFields);
    case 'string':
      return Buffer.from(attr.value).toString('hex');
    case 'strings':
      return attr.value.map((item) => Buffer.from(item).toString('hex'));
    case 'floats':
      return attr.value.map(String);
    case 'ints':
      return attr.value.map(String);
    default:
      return Object.is(attr.value, -0) ? '-0' : String(attr.value);
  }
}
