import type { Attr } from '../../ir/attr.js';
import { declaredContradiction, incompleteNode, shapeContradiction } from '../../ir/codes/shapes.js';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';
import {
  type Graph,
  type GraphFunction,
  type Model,
  type Node,
  nodePath,
  type Value,
} from '../../ir/model.js';
import type { InferContext, Inferred } from '../../ir/ops/core/define.js';
import type { Ints } from '../../ir/ops/core/dims.js';
import { type Dim, elementCount, type Shape, type ValueType } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { topologicalOrder } from '../../ir/topo.js';
import { Frame } from './frame.js';
import { mergeTypes, shortTypeText } from './merge.js';

type Types = readonly (ValueType | null)[];

/** Calls nested deeper than this are left unknown; exporters nest a handful. */
const MAX_CALL_DEPTH = 64;
/** Node visits in function bodies and repeated loop bodies, beyond which they are left unknown (hostile nesting). */
const MAX_VISITS = 2_000_000;
/** A constant argument larger than this is not looked into by function bodies. */
const MAX_BOUND_CONSTANT = 64;

/** Walks graphs and collects types, without knowledge of single operators. */
export class Engine {
  readonly diagnostics: Diagnostic[] = [];
  readonly #reported = new Set<string>();
  readonly #orders = new Map<Graph, readonly Node[]>();
  readonly #calls = new Map<string, { readonly frame: Frame; readonly outputs: readonly Value[] }>();
  readonly #active: GraphFunction[] = [];
  readonly #nested = (graph: Graph, inputs: Types, frame: Frame): Types =>
    this.#subgraph(graph, inputs, frame);
  #visits = 0;

  constructor(readonly model: Model | null) {}

  /** Types of everything in `graph` and the graphs nested in it. */
  run(graph: Graph, frame: Frame): void {
    let order = this.#orders.get(graph);
    if (!order) {
      order = topologicalOrder(graph);
      this.#orders.set(graph, order);
    }
    for (const node of order) this.#visit(node, frame);
  }

  #visit(node: Node, frame: Frame): void {
    if (++this.#visits > MAX_VISITS && (frame.attrs || node.graph?.outer)) return;
    const fn = this.model?.calledBy(node);
    const inferred = fn ? this.#call(node, fn, frame) : this.#infer(node, frame);
    for (let k = 0; k < node.outputs.length; k++) {
      const output = node.outputs[k]!;
      if (output.name === '') continue;
      this.#setType(output, inferred?.types[k] ?? null, frame);
      frame.setInts(output, inferred?.ints?.[k] ?? null);
    }
  }

  #infer(node: Node, frame: Frame): Inferred | null {
    const { def, opset, fewest, required } = frame.operatorOf(node);
    const attrs = frame.resolve(node);
    if (!def) {
      for (const inner of node.subgraphs()) this.#subgraph(inner, [], frame);
      return null;
    }
    const missing = incomplete(node, fewest, required, attrs ?? node.attrs);
    if (missing) {
      this.#report(incompleteNode({ path: nodePath(node), op: node.op, why: missing }));
      return null;
    }
    const ctx = new NodeContext(node, frame, opset, attrs ?? node.attrs, this.#nested);
    const result = tryInfer(() => def.infer(node, ctx));
    if (!('code' in result)) return this.#possible(node, result);
    this.#report(result);
    return null;
  }

  /** Extents are natural numbers; a rule that finds another one was given impossible contents. */
  #possible(node: Node, result: Inferred): Inferred | null {
    for (const type of result.types) {
      const shape = type?.kind === 'tensor' ? type.shape : null;
      const wrong = shape ? impossible(shape) : undefined;
      if (wrong === undefined) continue;
      this.#report(
        shapeContradiction({ path: nodePath(node), op: node.op, why: `an extent would be ${wrong}` }),
      );
      return null;
    }
    return result;
  }

  #subgraph(graph: Graph, inputs: Types, frame: Frame): Types {
    for (const [k, input] of graph.inputs.entries()) {
      frame.setType(input, mergeTypes(inputs[k] ?? null, input.type).type);
      frame.setInts(input, null);
    }
    this.run(graph, frame);
    return graph.outputs.map((output) => frame.typeOf(output));
  }

  /** Infers a function body with the types of this call; equal calls share one result. */
  #call(node: Node, fn: GraphFunction, frame: Frame): Inferred | null {
    if (this.#active.includes(fn) || this.#active.length >= MAX_CALL_DEPTH) return null;
    const attrs = new Map<string, Attr>(fn.defaults);
    for (const [name, attr] of frame.resolve(node) ?? node.attrs)
      if (attr.kind !== 'ref') attrs.set(name, attr);
    const key = callKey(node, fn, frame, attrs);
    let done = key === null ? undefined : this.#calls.get(key);
    if (!done) {
      const inner = new Frame(fn.opsets, attrs, false);
      for (const [k, input] of fn.graph.inputs.entries()) {
        const value = node.inputs[k];
        if (!value) continue;
        inner.setType(input, frame.typeOf(value));
        inner.setInts(input, frame.intsOf(value));
        const data = frame.constantOf(value);
        if (data && elementCount(data.shape) <= MAX_BOUND_CONSTANT) inner.bindConstant(input, data);
      }
      this.#active.push(fn);
      this.run(fn.graph, inner);
      this.#active.pop();
      done = { frame: inner, outputs: fn.graph.outputs };
      if (key !== null) this.#calls.set(key, done);
    }
    frame.calls.set(node, done.frame);
    const { outputs, frame: body } = done;
    return {
      types: outputs.map((value) => body.typeOf(value)),
      ints: outputs.map((value) => body.intsOf(value)),
    };
  }

  #setType(value: Value, inferred: ValueType | null, frame: Frame): void {
    const declared = value.type;
    if (!declared) {
      frame.setType(value, inferred);
      return;
    }
    const { type, contradiction } = mergeTypes(inferred, declared);
    frame.setType(value, type);
    if (contradiction) {
      this.#report(
        declaredContradiction({
          name: value.name,
          declared: shortTypeText(declared),
          inferred: shortTypeText(inferred!),
        }),
      );
    }
  }

  /** Bodies are visited more than once; each finding is reported once. */
  #report(diagnostic: Diagnostic): void {
    const key = `${diagnostic.code} ${JSON.stringify(diagnostic.at)} ${diagnostic.message}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.diagnostics.push(diagnostic);
  }
}

function tryInfer(infer: () => Inferred | Diagnostic): Inferred | Diagnostic {
  try {
    return infer();
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics[0]!;
    throw error;
  }
}

/** Returns what the schema requires and the node lacks; null when it is complete. */
function incomplete(
  node: Node,
  fewest: number,
  required: readonly string[],
  attrs: ReadonlyMap<string, Attr>,
): string | null {
  if (node.inputs.length < fewest) return `has ${node.inputs.length} inputs and needs ${fewest}`;
  for (const name of required) if (!attrs.has(name)) return `lacks the attribute "${name}"`;
  return null;
}

/** The first extent that is not a natural number. */
function impossible(shape: Shape): Dim | undefined {
  for (const dim of shape) {
    if (typeof dim === 'number' && !(Number.isInteger(dim) && dim >= 0)) return dim;
  }
  return undefined;
}

/** What a rule may ask about one node. */
class NodeContext implements InferContext {
  constructor(
    readonly node: Node,
    readonly frame: Frame,
    readonly opset: number,
    readonly attrs: ReadonlyMap<string, Attr>,
    readonly nested: (graph: Graph, inputs: Types, frame: Frame) => Types,
  ) {}

  type(index: number): ValueType | null {
    const value = this.node.inputs[index];
    return value ? this.frame.typeOf(value) : null;
  }

  ints(index: number): Ints | null {
    const value = this.node.inputs[index];
    return value ? this.frame.intsOf(value) : null;
  }

  constant(index: number): TensorData | null {
    const value = this.node.inputs[index];
    return value ? this.frame.constantOf(value) : null;
  }

  subgraph(attr: string, inputs: Types): Types | null {
    const graph = this.frame.graphOf(this.node, attr);
    return graph && this.nested(graph, inputs, this.frame);
  }
}

/** A text of everything that the result of a call depends on; null when it would be too long. */
function callKey(
  node: Node,
  fn: GraphFunction,
  frame: Frame,
  attrs: ReadonlyMap<string, Attr>,
): string | null {
  const parts: unknown[] = [fn.key];
  for (const value of node.inputs) {
    const type = value && frame.typeOf(value);
    const data = value && frame.constantOf(value);
    const bound = data && elementCount(data.shape) <= MAX_BOUND_CONSTANT ? tryDigest(data) : null;
    parts.push(
      type?.kind === 'tensor' ? [type.dtype, type.shape] : type && 'raw',
      value && frame.intsOf(value),
      bound,
    );
  }
  for (const [name, attr] of attrs) {
    if (attr.kind === 'graph' || attr.kind === 'graphs' || attr.kind === 'tensor' || attr.kind === 'tensors')
      return null;
    const held = 'value' in attr ? attr.value : null;
    parts.push(
      name,
      attr.kind,
      JSON.stringify(held, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)),
    );
  }
  return JSON.stringify(parts);
}

function tryDigest(data: { digest(): string }): string {
  try {
    return data.digest();
  } catch (error) {
    if (error instanceof LotrcError) return 'unreadable';
    throw error;
  }
}
