import { controlFlow, noGradient, pastCache, straightThrough } from '../../ir/codes/autodiff.js';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';
import { type DType, isFloat } from '../../ir/dtype.js';
import { type Graph, modelOf, type Node, nodePath, type Value } from '../../ir/model.js';
import type { OpDef, Refusal } from '../../ir/ops/core/define.js';
import { definitionOf } from '../../ir/ops/index.js';
import { tensorType } from '../../ir/shape.js';
import { topologicalOrder } from '../../ir/topo.js';
import { calledBy, obstacle } from '../inline/inline.js';
import { type Differentiate, readInBranches, throughIf } from './branches.js';
import { Gradients, RefusalError } from './grad-builder.js';
import { type Contribution, throughScan } from './scan.js';

export interface DifferentiateOptions {
  /** gradients of graph values to start from, each with its value's shape: d loss / d value */
  readonly seeds: ReadonlyMap<Value, Value>;
  /** the values whose gradients are wanted */
  readonly wrt: readonly Value[];
  /** name of the pass recorded in new nodes */
  readonly pass?: string;
  /** receives remarks on the gradients: LOTR4204 where they pass through rounding */
  readonly report?: (diagnostic: Diagnostic) => void;
}

/**
 * Reverse-mode differentiation over a graph whose types are inferred: appends the nodes that compute the gradients of
 * `wrt` and returns them. Only the path from `wrt` to the seeds is walked: nothing below the lowest wanted value, no
 * gradient of frozen weights. Contributions of several readers are added, broadcast edges are summed here and nowhere
 * else. A wanted value that the seeds do not depend on has no entry in the result.
 *
 * Throws LotrcError with LOTR4201 for every op on the path that has no gradient rule or whose rule refuses, LOTR4202 for
 * attention over a cache, LOTR4203 for Loop: a missing rule never becomes a zero.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Map<Value, Value> {
  const order = topologicalOrder(graph);
  const depends = reachable(order, options.wrt);
  const b = new Gradients(graph, options.pass ?? 'autodiff');
  const parts = new Map<Value, Value[]>();
  for (const [value, seed] of options.seeds) parts.set(value, [seed]);
  const problems: Diagnostic[] = [];
  const caches: Node[] = [];
  const rounded: Node[] = [];
  for (const node of order.toReversed()) {
    if (!node.outputs.some((output) => parts.has(output))) continue;
    const wanted = new Set<number>();
    for (const [index, input] of node.inputs.entries()) if (input && depends.has(input)) wanted.add(index);
    const inside = readsInside(node, depends);
    if (wanted.size === 0 && !inside) continue;
    const grads = node.outputs.map((output) => total(b, parts, output));
    if (node.subgraphs().length > 0) {
      for (const [value, gradient] of within(b, node, grads, depends, problems, options))
        contribute(parts, value, gradient, grads);
      continue;
    }
    if (definitionOf(node)?.straightThrough) rounded.push(node);
    b.current = { node, wanted, dtype: floatOf(grads) };
    const result = apply(b, node, grads);
    b.current = null;
    if ('because' in result) {
      if (result.cache) caches.push(node);
      else problems.push(noGradient({ path: nodePath(node), op: node.opKey, because: result.because }));
      continue;
    }
    for (const index of wanted) {
      const gradient = result[index];
      const input = node.inputs[index]!;
      if (gradient) contribute(parts, input, gradient, grads);
    }
  }
  const first = caches.at(-1); // the walk is from the end
  if (first) problems.push(pastCache({ path: nodePath(first), op: first.opKey, count: caches.length }));
  if (problems.length > 0) throw new LotrcError(problems);
  const rounds = rounded.at(-1);
  if (rounds) {
    options.report?.(straightThrough({ path: nodePath(rounds), op: rounds.opKey, count: rounded.length }));
  }
  const gradients = new Map<Value, Value>();
  for (const value of options.wrt) {
    const gradient = total(b, parts, value);
    if (gradient) gradients.set(value, gradient);
  }
  return gradients;
}

/** Adds a contribution of a reader of a value. `from` are the gradients that the contribution was made from. */
function contribute(
  parts: Map<Value, Value[]>,
  value: Value,
  gradient: Value,
  from: readonly (Value | null)[],
): void {
  typeLike(gradient, value, from);
  const held = parts.get(value);
  if (held) held.push(gradient);
  else parts.set(value, [gradient]);
}

/** Gradients of what an If or a Scan reads; none, and the reasons among the problems, where there are none. */
function within(
  b: Gradients,
  node: Node,
  grads: readonly (Value | null)[],
  depends: ReadonlySet<Value>,
  problems: Diagnostic[],
  { pass, report }: DifferentiateOptions,
): readonly Contribution[] {
  const inner: Differentiate = (graph, { seeds, wrt }) =>
    differentiate(graph, {
      seeds,
      wrt,
      ...(pass === undefined ? {} : { pass }),
      ...(report ? { report } : {}),
    });
  try {
    // Scan of operator set 8, which has a batch of its own, is not declared
    const runs = definitionOf(node)?.runs;
    if (runs === 'branch') return throughIf(b, node, grads, readInBranches(node, depends), inner);
    if (runs === 'scan') return throughScan(b, node, grads, depends, inner);
    problems.push(controlFlow({ path: nodePath(node), op: node.opKey }));
  } catch (error) {
    if (error instanceof LotrcError) problems.push(...error.diagnostics);
    else if (error instanceof RefusalError)
      problems.push(noGradient({ path: nodePath(node), op: node.opKey, because: error.refusal.because }));
    else throw error;
  }
  return [];
}

/** The sum of what the readers of a value contributed; summed once. */
function total(b: Gradients, parts: Map<Value, Value[]>, value: Value): Value | null {
  const list = parts.get(value);
  if (!list) return null;
  const sum = list.reduce((a, next) => b.add(a, next));
  typeLike(sum, value, list);
  parts.set(value, [sum]);
  return sum;
}

/** A gradient has the type of its value; that of an integer the element type of the gradients that it was made from. */
function typeLike(gradient: Value, value: Value, from: readonly (Value | null)[]): void {
  const { type } = value;
  if (gradient.type || type?.kind !== 'tensor') return;
  const dtype = isFloat(type.dtype) ? type.dtype : floatOf(from);
  if (dtype) gradient.setType(tensorType(dtype, type.shape), true);
}

/** The element type of the first gradient of a known one. */
function floatOf(gradients: readonly (Value | null)[]): DType | null {
  const known = gradients.find((gradient) => gradient?.type?.kind === 'tensor')?.type;
  return known?.kind === 'tensor' && isFloat(known.dtype) ? known.dtype : null;
}

/** Values that depend on one of `from` through floating-point data, rounded or not. */
function reachable(order: readonly Node[], from: readonly Value[]): ReadonlySet<Value> {
  const found = new Set<Value>(from);
  for (const node of order) {
    const read = node.inputs.filter((input) => input && found.has(input));
    if (read.length === 0 && !readsInside(node, found)) continue;
    const def = definitionOf(node);
    if (def?.stopsGradient) continue;
    // integers that represent rounded numbers lead on to others; indices, masks and shapes carry no gradient
    const integers = !def || read.some((input) => isDiscrete(input!));
    for (const [index, output] of node.outputs.entries()) {
      const carries = def?.straightThrough?.includes(index) ?? (integers || !isDiscrete(output));
      if (carries) found.add(output);
    }
  }
  return found;
}

function isDiscrete({ type }: Value): boolean {
  return type?.kind === 'tensor' && !isFloat(type.dtype);
}

/** Whether a subgraph of the node reads one of the values from outside. */
function readsInside(node: Node, found: ReadonlySet<Value>): boolean {
  const stack = [...node.subgraphs()];
  for (let graph = stack.pop(); graph; graph = stack.pop()) {
    for (const inner of graph.nodes) {
      if (inner.inputs.some((input) => input && found.has(input))) return true;
      stack.push(...inner.subgraphs());
    }
  }
  return false;
}

function apply(
  b: Gradients,
  node: Node,
  grads: readonly (Value | null)[],
): readonly (Value | null)[] | Refusal {
  const def = definitionOf(node);
  if (!def) return { because: unknownOp(node) };
  if (!def.vjp) return { because: 'it has no gradient rule' };
  const integer = node.inputs.find((input, index) => input && b.wants(index) && isDiscrete(input));
  if (integer && !def.throughIntegers) {
    return {
      because: `its input "${integer.name}" is quantised, and its rule is for floating-point numbers`,
    };
  }
  try {
    const lost = unread(def, node, grads);
    if (lost) return { because: `the gradient of its output "${lost.name}" has no rule` };
    const result = def.vjp(b, node, grads);
    if ('because' in result || !def.traits?.includes('elementwise')) return result;
    return result.map((gradient, index) => {
      const input = node.inputs[index];
      return gradient && input && b.wants(index) ? b.sumTo(gradient, node.outputs[0]!, input) : gradient;
    });
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
    throw error;
  }
}

/** An output with a gradient that the rule does not read. */
function unread(
  { gradientsOf = [0] }: OpDef,
  node: Node,
  grads: readonly (Value | null)[],
): Value | undefined {
  return gradientsOf === 'all'
    ? undefined
    : node.outputs.find((_, index) => grads[index] && !gradientsOf.includes(index));
}

function unknownOp(node: Node): string {
  const model = node.graph && modelOf(node.graph);
  const fn = model && calledBy(model, node);
  if (!fn) return 'lotrc does not know this op';
  return `it is a function of the model, and ${obstacle(model, fn) ?? 'it has not been inlined'}`;
}
