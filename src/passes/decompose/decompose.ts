import { isFloat } from '../../ir/dtype.js';
import { own } from '../../ir/keys.js';
import { canTakeName, type Model, type Node, type Value } from '../../ir/model.js';
import {
  attentionProblem,
  DECOMPOSED_SINCE,
  type FormProblem,
  groupQueryAttentionProblem,
  msAttentionProblem,
  multiHeadAttentionProblem,
} from '../../ir/ops/attention.js';
import { recurrentProblem } from '../../ir/ops/recurrent.js';
import { supersede } from '../../ir/supersede.js';
import { topologicalOrder } from '../../ir/topo.js';
import { removeDeadIn } from '../dce.js';
import { dependents } from '../dependents.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import { lowerAttention } from './attention.js';
import { lowerGroupQueryAttention } from './group-query-attention.js';
import { OpLowering, type SharedValues } from './lowering.js';
import { lowerMsAttention } from './ms-attention.js';
import { lowerMultiHeadAttention } from './multi-head-attention.js';
import { lowerRecurrent } from './recurrent.js';

/** How one operator is lowered: which forms are not lowered, and what replaces the outputs of the others. */
interface Entry {
  readonly problem: FormProblem;
  readonly lower: (b: OpLowering, node: Node) => readonly Value[];
}

const TABLE: Readonly<Record<string, Entry>> = {
  Attention: { problem: attentionProblem, lower: lowerAttention },
  'com.microsoft::Attention': { problem: msAttentionProblem, lower: lowerMsAttention },
  'com.microsoft::GroupQueryAttention': {
    problem: groupQueryAttentionProblem,
    lower: lowerGroupQueryAttention,
  },
  LSTM: { problem: recurrentProblem, lower: lowerRecurrent },
  GRU: { problem: recurrentProblem, lower: lowerRecurrent },
  RNN: { problem: recurrentProblem, lower: lowerRecurrent },
  'com.microsoft::MultiHeadAttention': { problem: multiHeadAttentionProblem, lower: lowerMultiHeadAttention },
};

/**
 * Lowers attention and recurrent operators of the main graph, which have no gradient rule, to ops that have one (products,
 * softmax and masks; Scan); results are equal up to rounding. Forms that are not covered stay. With `trained`, names of values, only what
 * depends on one of them is lowered: below the lowest adapter the operators keep their kernels. Returns how many were
 * lowered.
 */
export function decompose(model: Model, trained?: Iterable<string>): number {
  inferShapes(model);
  const shared: SharedValues = new Map();
  const order = topologicalOrder(model.graph);
  const chosen = trained ? dependents(model.graph, order, trained) : order;
  let count = 0;
  for (const node of chosen) {
    if (lower(model, node, shared)) count++;
  }
  if (count > 0) {
    removeDeadIn(model.graph);
    inferShapes(model);
  }
  return count;
}

function lower(model: Model, node: Node, shared: SharedValues): boolean {
  const entry = own(TABLE, node.opKey);
  const type = node.inputs[0]?.type;
  if (!entry || type?.kind !== 'tensor' || !isFloat(type.dtype)) return false;
  if ((model.opsets.get('') ?? 0) < DECOMPOSED_SINCE || entry.problem(node) !== null) return false;
  const b = new OpLowering(node, type.dtype, shared);
  const made = entry.lower(b, node);
  for (const [index, output] of node.outputs.entries()) {
    const fresh = made[index];
    if (output.name === '' || !fresh || (output.uses.size === 0 && !output.isOutput)) continue;
    // names stay with the results; what is public itself keeps its own
    supersede(output, canTakeName(output, fresh) ? fresh : b.one('Identity', [fresh]));
  }
  model.graph.erase(node);
  return true;
}

export const decomposePass = definePass({
  name: 'decompose',
  summary: 'lower attention operators to products and softmax, recurrent ones to Scan',
  options: {},
  run(model, _, ctx) {
    const count = decompose(model);
    ctx.stat('lowered', count);
    return count > 0 ? 'changed' : 'unchanged';
  },
});
