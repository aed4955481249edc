import type { Node } from '../model.js';
import type { Dim, Shape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, type NdArray, op } from './define.js';
import { addDim, divExact, mulDim } from './dims.js';
import { append, attend, causalBias, joinHeads, splitHeads } from './families/attention.js';
import { attentionProblem, byDecomposition } from './gradients/attention.js';
import { fromIndex, map, offset, stridesOf, zip } from './nd.js';
import { attrs, dtypeAt, mustAgree, need, rankIn, rule, tensorAt, typeOf } from './rules.js';

type Attrs = AttrsOf<'Attention'>;

/**
 * Attention: softmax(q k^T scale + mask) v per head. q, k, v are (batch, heads, seq, d), or (batch, seq, heads*d) with
 * the numbers of heads as attributes; fewer key/value heads than query heads are shared. Outputs: y, the keys and
 * values with the past ones before them, and the scores at the stage that qk_matmul_output_mode names.
 */
export const Attention = op({
  name: 'Attention',
  since: 23,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const [q, k, v, , past] = [0, 1, 2, 3, 4].map((index) => tensorAt(ctx, index));
    const dtype = q?.dtype;
    if (!q?.shape || !k?.shape || !v?.shape) return { types: node.outputs.map(() => typeOf(dtype, null)) };
    for (const [name, type] of [
      ['Q', q],
      ['K', k],
      ['V', v],
    ] as const)
      rankIn(node, type.shape, q.shape.length, q.shape.length, name);
    rankIn(node, q.shape, 3, 4, 'Q');
    const flat = q.shape.length === 3;
    const [qs, ks, vs] = [
      headed(q.shape, a.q_num_heads),
      headed(k.shape, a.kv_num_heads),
      headed(v.shape, a.kv_num_heads),
    ];
    mustAgree(node, qs[3], ks[3], 'head sizes of Q and K');
    mustAgree(node, ks[2], vs[2], 'lengths of K and V');
    const before = node.inputs[4] ? (past?.shape?.[2] ?? null) : 0;
    const total = addDim(before, ks[2]!);
    const y = flat ? [qs[0]!, qs[2]!, mulDim(qs[1]!, vs[3]!)] : [qs[0]!, qs[1]!, qs[2]!, vs[3]!];
    return {
      types: [
        typeOf(dtype, y),
        typeOf(dtype, [ks[0]!, ks[1]!, total, ks[3]!]),
        typeOf(v.dtype, [vs[0]!, vs[1]!, total, vs[3]!]),
        typeOf(dtype, [qs[0]!, qs[1]!, qs[2]!, total]),
      ],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const flat = need(inputs, 0).shape.length === 3;
    const [q, k1, v1] = [0, 1, 2].map((index) =>
      flat
        ? splitHeads(need(inputs, index), (index === 0 ? a.q_num_heads : a.kv_num_heads)!)
        : need(inputs, index),
    ) as [NdArray, NdArray, NdArray];
    const [k, v] = [inputs[4] ? append(inputs[4], k1, 2) : k1, inputs[5] ? append(inputs[5], v1, 2) : v1];
    const scale = a.scale ?? 1 / Math.sqrt(q.shape[3]!);
    const stages = attend(q, k, v, scale, a.softcap, biasOf(node, a, inputs, q.shape[2]!, k.shape[2]!));
    const shown = [stages.scores, stages.capped, stages.biased, stages.weights][a.qk_matmul_output_mode]!;
    return [flat ? joinHeads(stages.y) : stages.y, k, v, shown];
  },
  vjp: byDecomposition(attentionProblem),
});

/** The shape as (batch, heads, seq, d). */
function headed(shape: Shape, heads: number | undefined): Dim[] {
  if (shape.length === 4) return [...shape];
  return [shape[0]!, heads ?? null, shape[1]!, divExact(shape[2]!, heads ?? null)];
}

/** The sum of mask, causal mask and padding as a bias that broadcasts to (batch, heads, queries, keys). */
function biasOf(
  node: Node<'Attention'>,
  a: Attrs,
  inputs: readonly (NdArray | null)[],
  queries: number,
  keys: number,
): NdArray | null {
  const parts: NdArray[] = [];
  const mask = inputs[3];
  if (mask) {
    const allowed = dtypeAt(node, 3) === 'bool';
    const strides = stridesOf(mask.shape);
    const last = mask.shape.length - 1;
    const width = mask.shape[last]!;
    const outside = Number.NEGATIVE_INFINITY;
    parts.push(
      fromIndex(mask.shape.with(last, width === 1 ? 1 : keys), (index) => {
        if (index[last]! >= width) return outside;
        const value = mask.data[offset(strides, index)]!;
        return allowed ? (value !== 0 ? 0 : outside) : value;
      }),
    );
  }
  const shift = inputs[4]?.shape[2] ?? 0;
  const lengths = inputs[6] ?? null;
  if (a.is_causal) {
    if (lengths && !inputs[4]) {
      parts.push(
        fromIndex([lengths.data.length, 1, queries, keys], ([b, , i, j]) =>
          j! <= i! + lengths.data[b!]! - queries ? 0 : Number.NEGATIVE_INFINITY,
        ),
      );
    } else parts.push(causalBias(queries, keys, shift));
  }
  if ((a.left_window_size ?? -1) >= 0 || (a.right_window_size ?? -1) >= 0)
    throw new Error('sliding windows have no reference');
  if (lengths)
    parts.push(
      fromIndex([lengths.data.length, 1, 1, keys], ([b, , , j]) =>
        j! < lengths.data[b!]! ? 0 : Number.NEGATIVE_INFINITY,
      ),
    );
  if (parts.length === 0) return null;
  return map(
    zip(parts, (...xs) => xs.reduce((p, x) => p + x)),
    (x) => x,
  );
}
