import type { Node } from '../../model.js';
import { attributes, type Vjp } from './vjp.js';

/** Why a node is of a form that the pass `decompose` leaves alone; null when it is lowered to ordinary ops. */
export type FormProblem = (node: Node) => string | null;

/** Attention ops are lowered before models are differentiated; what is left has a form without a decomposition. */
export function byDecomposition(problem: FormProblem): Vjp {
  return (_b, node) => ({ because: problem(node) ?? 'it is differentiated after the pass decompose' });
}

const PAST = 'it continues a cache of past keys and values; training needs a model exported without one';

/** Shapes as far as inference knows them: ranks of q, k, v and their last extents, which must be numbers. */
function unknownShape(node: Node, indices: readonly number[]): string | null {
  for (const index of indices) {
    const type = node.inputs[index]?.type;
    const shape = type?.kind === 'tensor' ? type.shape : null;
    if (!shape) return `the rank of its input ${index} is unknown`;
    if (typeof shape.at(-1) !== 'number') return `the last extent of its input ${index} is not a number`;
  }
  return null;
}

function isRead(node: Node, index: number): boolean {
  const output = node.outputs[index];
  return output !== undefined && output.name !== '' && (output.uses.size > 0 || output.isOutput);
}

/** Attention of operator sets 23 and later. */
export const attentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'Attention');
  if (node.inputs[4] || node.inputs[5]) return PAST;
  if (node.inputs[6]) return 'it takes the lengths of the rows (nonpad_kv_seqlen)';
  if (isRead(node, 3)) return 'its scores are an output (qk_matmul_output)';
  if ((a.left_window_size ?? -1) >= 0 || (a.right_window_size ?? -1) >= 0)
    return 'it looks at a sliding window of keys';
  const unknown = unknownShape(node, [0, 1, 2]);
  if (unknown) return unknown;
  const type = node.inputs[0]!.type;
  const shape = type?.kind === 'tensor' ? type.shape! : [];
  if (shape.length === 4 && [0, 1].some((i) => typeof headsAt(node, i) !== 'number'))
    return 'its numbers of heads are unknown';
  return shape.length === 3 && !(a.q_num_heads && a.kv_num_heads) ? 'its numbers of heads are unknown' : null;
};

function headsAt(node: Node, index: number): unknown {
  const type = node.inputs[index]?.type;
  return type?.kind === 'tensor' ? type.shape?.[1] : null;
}
