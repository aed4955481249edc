import { isConstantNode } from '../../ir/constants.js';
import { isFloat } from '../../ir/dtype.js';
import type { Node, Value } from '../../ir/model.js';
import { productOf } from '../../ir/ops/core/dims.js';
import { shapeAt } from '../../ir/ops/core/rules.js';
import { definitionOf } from '../../ir/ops/index.js';
import { sameDim } from '../../ir/shape.js';

/** Nodes to run again, in order, and the values that they start from. */
export interface Recipe {
  readonly nodes: readonly Node[];
  readonly leaves: ReadonlySet<Value>;
}

/** More nodes than this are not worth one tensor. */
const MOST_NODES = 8;
/**
 * A product over at most this many terms is cheap: attention scores over one head. Reading a saved element takes about
 * as long as 100 multiplications; a product over the model's width costs ten times that.
 */
const CHEAP_INNER = 128;

/**
 * How to compute a value again from kept values, by cheap pure nodes only; null when there is no short way. `kept` says
 * whether a value is at hand in the backward pass anyway.
 */
export function recipeOf(value: Value, kept: (value: Value) => boolean): Recipe | null {
  const nodes: Node[] = [];
  const leaves = new Set<Value>();
  const seen = new Set<Node>();
  const visit = (wanted: Value): boolean => {
    const node = wanted.producer;
    if (!node || node.outputs[0] !== wanted || !isCheap(node)) return false;
    if (seen.has(node)) return true;
    seen.add(node);
    for (const input of node.inputs) {
      if (!input) continue;
      if (input.graph !== wanted.graph) return false;
      const source = sourceOf(input);
      const stays = isConstantValue(input) || (kept(input) && (source === input || !kept(source)));
      if (stays) leaves.add(input);
      else if (!visit(input)) return false;
    }
    nodes.push(node);
    return nodes.length <= MOST_NODES;
  };
  return visit(value) ? { nodes, leaves } : null;
}

/**
 * Where the elements of a value come from, if it only has them in another order or shape: the value before all
 * transpositions and reshapes. Keeping that instead costs nothing more, and runtimes read transposed operands in place.
 */
export function sourceOf(value: Value): Value {
  for (let at = value; ; ) {
    const node = at.producer;
    const from = node?.inputs[0];
    const rest = node?.inputs.slice(1).every((input) => !input || !isFloatTensor(input)) ?? false;
    if (!node || !from || !rest || !isCheap(node) || !movesOnly(node)) return at;
    at = from;
  }
}

/** Linear, not elementwise, one operand and as many elements out as in: the elements are moved. */
function movesOnly(node: Node): boolean {
  const traits = definitionOf(node)?.traits ?? [];
  const [from, to] = [shapeAt(node, 0), node.outputs[0]?.type];
  if (!traits.includes('linear') || traits.includes('elementwise') || !from) return false;
  const shape = to?.kind === 'tensor' ? to.shape : null;
  return shape !== null && sameDim(productOf(from), productOf(shape));
}

function isFloatTensor({ type }: Value): boolean {
  return type?.kind !== 'tensor' || isFloat(type.dtype);
}

export function isConstantValue(value: Value): boolean {
  return value.constant !== null || isConstantNode(value.producer);
}

function isCheap(node: Node): boolean {
  const def = definitionOf(node);
  if (!def?.traits?.includes('pure') || node.subgraphs().length > 0) return false;
  if (!def.cost) return true;
  const inner = shapeAt(node, 0)?.at(-1);
  return typeof inner === 'number' && inner <= CHEAP_INNER;
}
