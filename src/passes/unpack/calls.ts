import { constantData } from '../../ir/constants.js';
import type { Graph, GraphFunction, Model, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { calledBy, inlineCalls } from '../inline/inline.js';
import { weightInput } from '../sites/candidates.js';
import { Origins } from '../sites/origins.js';

/** Where the weights of a function's linear layers come from. */
interface Weights {
  /** some layer reads a matrix that is stored in the body */
  readonly stored: boolean;
  /** inputs of the function by which some layer multiplies */
  readonly inputs: ReadonlySet<number>;
}

/** Nodes that inlining may make: nested calls multiply, and a small file can cause any number of nodes. */
const LIMIT = 200_000;

/**
 * Inlines the calls of model-local functions in which a linear layer multiplies by a stored matrix, be it in the body or
 * an argument of the call: one node of a body represents a layer per call, and a body sees no tensors of the main graph.
 * Other calls stay, also of the same function, and so do those whose body is written for other versions of its ops.
 * Functions of lotrc's own domain are left alone, and so is what would grow the model beyond LIMIT nodes. Returns how many calls were replaced.
 */
export function inlineLayerCalls(model: Model): number {
  if (model.functions.size === 0) return 0;
  const origins = new Origins(model);
  const known = new Map<GraphFunction, Weights>();
  const sizes = new Map<GraphFunction, number>();
  let nodes = 0;
  return inlineCalls(model, (call) => {
    const fn = calledBy(model, call);
    if (!fn || call.domain === 'lotrc') return false;
    // with the bodies of its own calls, so that no call is inlined whose inner calls cannot be inlined
    if (nodes + expandedSize(model, fn, sizes) > LIMIT) return false;
    const { stored, inputs } = weightsOf(model, fn, known);
    const chosen = stored || [...inputs].some((index) => isStored(origins, call.inputs[index] ?? null));
    if (chosen) nodes += fn.graph.nodes.size;
    return chosen;
  });
}

/** Nodes of a function with the bodies of all that it calls. */
function expandedSize(model: Model, fn: GraphFunction, known: Map<GraphFunction, number>): number {
  const held = known.get(fn);
  if (held !== undefined) return held;
  known.set(fn, 0); // a function that calls itself, which ONNX forbids, ends here
  let size = 0;
  const stack: Graph[] = [fn.graph];
  for (let graph = stack.pop(); graph; graph = stack.pop()) {
    for (const node of graph.nodes) {
      stack.push(...node.subgraphs());
      const inner = calledBy(model, node);
      size += 1 + (inner ? expandedSize(model, inner, known) : 0);
    }
  }
  known.set(fn, size);
  return size;
}

function isStored(origins: Origins, value: Value | null): boolean {
  return value !== null && origins.stored(value) !== null;
}

function weightsOf(model: Model, fn: GraphFunction, known: Map<GraphFunction, Weights>): Weights {
  const held = known.get(fn);
  if (held) return held;
  known.set(fn, { stored: false, inputs: new Set() }); // a function that calls itself, which ONNX forbids, ends here
  const given = new Map(fn.graph.inputs.map((input, index) => [input, index]));
  const inputs = new Set<number>();
  let stored = false;
  const weigh = (value: Value | null | undefined): void => {
    const from = value ? source(value) : null;
    if (!from) return;
    const index = given.get(from);
    if (index !== undefined) inputs.add(index);
    else if (constantData(from)) stored = true;
  };
  const stack: Graph[] = [fn.graph];
  for (let graph = stack.pop(); graph; graph = stack.pop()) {
    for (const node of graph.nodes) {
      stack.push(...node.subgraphs());
      const inner = calledBy(model, node);
      if (inner) {
        const below = weightsOf(model, inner, known);
        if (below.stored) stored = true;
        for (const index of below.inputs) weigh(node.inputs[index]);
        continue;
      }
      const index = weightInput(node);
      if (index !== null) weigh(node.inputs[index]);
    }
  }
  const result = { stored, inputs };
  known.set(fn, result);
  return result;
}

/** What a matrix is read from, through the nodes that may be between a stored weight and its layer. */
function source(value: Value): Value {
  let at = value;
  for (let steps = 0; steps < 64; steps++) {
    const { producer } = at;
    const next: Value | null | undefined = producer && weightStep(producer) ? producer.inputs[0] : null;
    if (!next) break;
    at = next;
  }
  return at;
}
