import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { addDim, compareDims, divExact, mulDim } from './dims.js';
import { append, attend, joinHeads, rotate, splitHeads } from './families/attention.js';
import { byDecomposition, groupQueryAttentionProblem } from './gradients/attention.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, need, rule, tensorAt, typeOf } from './rules.js';

/**
 * com.microsoft GroupQueryAttention: causal attention with fewer key/value heads, over a cache. q is
 * (batch, seq, heads*d), or packed with k and v after it. seqlens_k holds each row's number of valid keys minus one.
 * The presents are as long as total_sequence_length says, or as the past buffer when that is longer.
 */
export const MsGroupQueryAttention = op({
  name: 'com.microsoft::GroupQueryAttention',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { num_heads, kv_num_heads } = attrs(node, ctx);
    const [q, k] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const packed = !node.inputs[1];
    const [batch, seq, width] = q?.shape ?? [null, null, null];
    const size = packed
      ? divExact(width ?? null, num_heads + 2 * kv_num_heads)
      : divExact(width ?? null, num_heads);
    const past = node.inputs[3] ? (tensorAt(ctx, 3)?.shape?.[2] ?? null) : 0;
    const total = presentLength(
      past,
      addDim(past, (packed ? seq : (k?.shape?.[1] ?? null)) ?? null),
      ctx.ints(6)?.[0] ?? null,
    );
    const kv = typeOf(tensorAt(ctx, 3)?.dtype ?? q?.dtype, [batch ?? null, kv_num_heads, total, size]);
    return {
      types: [
        typeOf(q?.dtype, [batch ?? null, seq ?? null, packed ? mulDim(size, num_heads) : (width ?? null)]),
        kv,
        kv,
        typeOf(q?.dtype, [batch ?? null, num_heads, seq ?? null, null]),
      ],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    if (
      !inputs[1] ||
      !inputs[2] ||
      a.local_window_size > 0 ||
      a.smooth_softmax > 0 ||
      inputs[10] ||
      inputs[11]
    ) {
      throw new Error('this form of GroupQueryAttention has no reference');
    }
    const lengths = need(inputs, 5).data.map((last) => last + 1);
    const seq = need(inputs, 0).shape[1]!;
    if (new Set(lengths).size > 1) throw new Error('rows of different length have no reference');
    const shift = lengths[0]! - seq;
    let [q, k, v] = [
      splitHeads(need(inputs, 0), a.num_heads),
      splitHeads(inputs[1], a.kv_num_heads),
      splitHeads(inputs[2], a.kv_num_heads),
    ];
    const [cos, sin] = [inputs[7], inputs[8]];
    if (a.do_rotary && cos && sin) {
      const half = cos.shape[1]!;
      const angle = (_: number, s: number, pair: number): [number, number] => [
        cos.data[(shift + s) * half + pair]!,
        sin.data[(shift + s) * half + pair]!,
      ];
      [q, k] = [
        rotate(q, half, a.rotary_interleaved === 1, angle),
        rotate(k, half, a.rotary_interleaved === 1, angle),
      ];
    }
    if (inputs[3] && inputs[4])
      [k, v] = [append(head(inputs[3], shift), k, 2), append(head(inputs[4], shift), v, 2)];
    const total = k.shape[2]!;
    const bias = fromIndex([seq, total], ([i, j]) => (j! <= i! + total - seq ? 0 : Number.NEGATIVE_INFINITY));
    const { y, capped } = attend(q, k, v, a.scale || 1 / Math.sqrt(q.shape[3]!), a.softcap, bias);
    return [joinHeads(y), k, v, capped];
  },
  vjp: byDecomposition(groupQueryAttentionProblem),
});

function presentLength(past: Dim, grown: Dim, stated: Dim): Dim {
  if (past === 0) return grown;
  if (stated === null) return null; // a buffer as long as the past, or a grown cache: only the run decides
  return compareDims(past, stated) === 1 ? past : compareDims(stated, past) !== null ? stated : null;
}

/** The first `count` positions of a cache (batch, heads, positions, d). */
function head(cache: NdArray, count: number): NdArray {
  const strides = stridesOf(cache.shape);
  return fromIndex(cache.shape.with(2, count), (index) => cache.data[offset(strides, index)]!);
}
