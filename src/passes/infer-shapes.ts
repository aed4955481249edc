import type { Diagnostic } from '../ir/diagnostics.js';
import { type Graph, GraphFunction, Model, modelOf, type Node, type Value } from '../ir/model.js';
import type { Ints } from '../ir/ops/core/dims.js';
import type { ValueType } from '../ir/shape.js';
import { Engine } from './infer/engine.js';
import { type CallTypes, Frame } from './infer/frame.js';

export type { CallTypes } from './infer/frame.js';

/** What inference found. Types hold what the file declares where nothing else is known. */
export interface Inference {
  /** values of the main graph and of all graphs nested in it */
  readonly types: ReadonlyMap<Value, ValueType>;
  /** for each call of a model-local function, the types of the values in its body at that call */
  readonly calls: ReadonlyMap<Node, CallTypes>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Infers element types and shapes of a model without changing it. Dimensions are numbers, names, sums and products of
 * names (`past + seq`, `2*heads`), or unknown. Integer tensors are followed by content, so that shapes that the model
 * computes itself (Shape, Gather, Concat, Reshape) keep their names.
 *
 * Assumed: names represent extents >= 0 with which the model runs; a slice to a symbolic end stays inside a static
 * extent; a difference such as `seq - 1` is not negative. Linear in the number of nodes; function bodies count once
 * per distinct call, bodies of Loop and Scan up to four times.
 */
export function analyse(model: Model): Inference {
  const { engine, frame } = run(model.graph, model);
  return { types: frame.types, calls: frame.calls, diagnostics: engine.diagnostics };
}

/**
 * Sets the type of every value of the main graph and of the graphs nested in it, as far as it can be known; the model
 * does not count as edited by that. Function bodies are checked per call and keep no types.
 * Returns warnings: LOTR4101 inputs contradict each other, LOTR4102 the file declares another type, LOTR4103 and
 * LOTR4104 malformed nodes. Never throws for what a file can hold.
 */
export function inferShapes(model: Model): Diagnostic[] {
  const { types, diagnostics } = analyse(model);
  for (const [value, type] of types) if (value.type !== type) value.setType(type, true);
  return [...diagnostics];
}

/**
 * What is known of the contents of the integer tensors of a graph and of those nested in it: from constants, from static
 * extents, and from what the graph computes of them. Entries that are not known are names or null.
 */
export function knownIntegers(graph: Graph): (value: Value) => Ints | null {
  const { frame } = run(graph, modelOf(graph));
  return (value) => frame.intsOf(value);
}

function run(graph: Graph, model: Model | null): { readonly engine: Engine; readonly frame: Frame } {
  const engine = new Engine(model);
  const frame = new Frame(opsetsOf(graph), null, model !== null && model.irVersion < 4);
  engine.run(graph, frame);
  return { engine, frame };
}

/** The operator sets that the nodes of a graph are written in; none for a graph that belongs to nothing yet. */
function opsetsOf(graph: Graph): ReadonlyMap<string, number> {
  for (let at: Graph | null = graph; at; ) {
    const owner: Graph['owner'] = at.owner;
    if (owner instanceof Model || owner instanceof GraphFunction) return owner.opsets;
    at = owner?.graph ?? null;
  }
  return new Map();
}
