import type { Node } from '../../model.js';
import { type Dim, type Shape, sameDim, shapeText } from '../../shape.js';
import { dtypeAt, shapeAt } from '../rules.js';
import { attributes, type Vjp } from './vjp.js';

/** Why a node is of a form that the pass `decompose` leaves alone; null when it is lowered to ordinary ops. */
export type FormProblem = (node: Node) => string | null;

/** Masks are made by Range, which exists from this operator set on. */
export const DECOMPOSED_SINCE = 11;

/** Attention ops are lowered before models are differentiated; what is left has a form without a decomposition. */
export function byDecomposition(problem: FormProblem): Vjp {
  return (b, node) => {
    const left =
      b.opset < DECOMPOSED_SINCE
        ? `it is decomposed in operator sets from ${DECOMPOSED_SINCE} on`
        : 'the pass decompose must run before';
    const because = problem(node) ?? left;
    return because === PAST ? { because, cache: true } : { because };
  };
}

const PAST = 'it continues a cache of past keys and values';

/** Shapes as far as inference knows them: ranks of q, k, v and their last extents, which must be numbers. */
function unknownShape(node: Node, indices: readonly number[]): string | null {
  for (const index of indices) {
    const shape = shapeAt(node, index);
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
  const mask = dtypeAt(node, 3);
  if (node.inputs[3] && mask !== 'bool' && mask !== dtypeAt(node, 0))
    return `its mask is of the type ${mask ?? 'that nothing tells'}`;
  const shape = shapeAt(node, 0)!;
  const heads =
    shape.length === 3 ? [a.q_num_heads, a.kv_num_heads] : [0, 1].map((index) => shapeAt(node, index)?.[1]);
  return heads.every((count) => typeof count === 'number') ? null : 'its numbers of heads are unknown';
};

/** com.microsoft MultiHeadAttention. */
export const multiHeadAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::MultiHeadAttention');
  if (node.inputs[6] || node.inputs[7] || node.inputs[8] || node.inputs[9]) return PAST;
  if (!node.inputs[1] || !node.inputs[2]) return 'its keys and values are packed into another input';
  if (isRead(node, 3)) return 'its scores are an output (qk)';
  const unknown = unknownShape(node, [0, 1, 2]);
  if (unknown) return unknown;
  const [q, k, v] = [0, 1, 2].map((index) => shapeAt(node, index)!) as [Shape, Shape, Shape];
  if (q.length !== 3 || k.length !== v.length || k.length > 4) return 'its keys and values are packed';
  if (k.length === 4 && node.inputs[3]) return 'it has a bias and keys that are split into heads';
  if (a.unidirectional && !sameDim(q[1]!, k[k.length - 2]!))
    return 'it is causal with queries and keys of different lengths';
  return maskProblem(node, 4, q[0]!);
};

/** com.microsoft Attention. */
export const msAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::Attention');
  if (node.inputs[4] || node.inputs[6]) return PAST;
  if (a.do_rotary) return 'it rotates queries and keys (do_rotary)';
  if (isRead(node, 1)) return 'its keys and values are an output (present)';
  const unknown = unknownShape(node, [0, 1]);
  if (unknown) return unknown;
  const [x, packed] = [shapeAt(node, 0)!, shapeAt(node, 1)!];
  if (x.length !== 3 || packed.length !== 2) return 'its input or its weights have an unusual rank';
  return maskProblem(node, 3, x[0]!);
};

/** com.microsoft GroupQueryAttention. */
export const groupQueryAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::GroupQueryAttention');
  const past = [3, 4].filter((index) => node.inputs[index]);
  if (past.some((index) => shapeAt(node, index)?.[2] !== 0)) return PAST;
  if (a.local_window_size > 0) return `it looks at a sliding window of ${a.local_window_size} keys`;
  if (a.smooth_softmax > 0 || node.inputs[11]) return 'its softmax has a sink';
  // ONNX Runtime's kernel reads the first row of them for all rows: nothing can be equal to both it and the meaning
  if (a.do_rotary && node.inputs[9]) return 'it is given the positions to rotate by (position_ids)';
  if (node.inputs[10]) return 'it adds a bias to the scores (attention_bias)';
  if (node.inputs[12] || node.inputs[13]) return 'its cache is quantised';
  if (isRead(node, 3)) return 'its scores are an output (output_qk)';
  if (!node.inputs[1] !== !node.inputs[2]) return 'its keys and values are packed';
  if (a.do_rotary && !(node.inputs[7] && node.inputs[8])) return 'it rotates without caches of angles';
  return unknownShape(node, [0, ...(node.inputs[1] ? [1, 2] : []), ...(a.do_rotary ? [7] : [])]);
};

/** Masks of padding: (batch) lengths, (batch, keys) or (batch, queries, keys) values; 1-D forms are told by extent. */
function maskProblem(node: Node, index: number, batch: Dim): string | null {
  if (!node.inputs[index]) return null;
  const mask = shapeAt(node, index);
  if (!mask) return `the rank of its mask is unknown`;
  if (mask.length === 2 || mask.length === 3) return null;
  if (mask.length === 1 && sameDim(mask[0]!, batch)) return null;
  return `its mask has the shape ${shapeText(mask)}`;
}
