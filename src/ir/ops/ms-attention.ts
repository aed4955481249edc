import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { addDim } from './dims.js';
import { append, attend, causalBias, joinHeads, splitHeads } from './families/attention.js';
import { byDecomposition, msAttentionProblem } from './gradients/attention.js';
import { fromIndex, matmul, nd, offset, stridesOf, zip } from './nd.js';
import { attrs, need, rule, tensorAt, typeOf } from './rules.js';

/**
 * com.microsoft Attention: input (batch, seq, hidden) times packed weights (hidden, q+k+v) plus bias, then attention
 * per head. `present` is (2, batch, heads, past + seq, head size).
 */
export const MsAttention = op({
  name: 'com.microsoft::Attention',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const [x, w, bias] = [0, 1, 2].map((index) => tensorAt(ctx, index));
    const packed = w?.shape?.[1] ?? bias?.shape?.[0] ?? null;
    const width = a.qkv_hidden_sizes?.[2] ?? (typeof packed === 'number' ? packed / 3 : null);
    const [batch, seq] = x?.shape ?? [null, null];
    const past = node.inputs[4] ? (tensorAt(ctx, 4)?.shape?.[3] ?? null) : 0;
    const shared = a.past_present_share_buffer === 1;
    const size = typeof width === 'number' ? width / a.num_heads : null;
    const total = shared ? past : addDim(past, seq ?? null);
    return {
      types: [
        typeOf(x?.dtype, [batch ?? null, seq ?? null, width]),
        typeOf(x?.dtype, [2, batch ?? null, a.num_heads, total, size]),
      ],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    if (a.do_rotary || a.past_present_share_buffer)
      throw new Error('rotary and shared buffers have no reference');
    const x = need(inputs, 0);
    const [batch, seq] = x.shape as [number, number];
    const product = matmul(x, need(inputs, 1));
    const packed = inputs[2] ? zip([product, inputs[2]], (p, b) => p! + b!) : product;
    const third = packed.shape[2]! / 3;
    const sizes = a.qkv_hidden_sizes ?? [third, third, third];
    const starts = [0, sizes[0]!, sizes[0]! + sizes[1]!];
    const strides = stridesOf(packed.shape);
    const [q, k1, v1] = sizes.map((width, part) =>
      splitHeads(
        fromIndex(
          [batch, seq, width],
          ([b, s, i]) => packed.data[offset(strides, [b!, s!, starts[part]! + i!])]!,
        ),
        a.num_heads,
      ),
    ) as [NdArray, NdArray, NdArray];
    const past = inputs[4];
    const [k, v] = past ? [append(half(past, 0), k1, 2), append(half(past, 1), v1, 2)] : [k1, v1];
    const total = k.shape[2]!;
    const parts = [maskBias(inputs[3] ?? null, batch, total, a.mask_filter_value ?? -10000)];
    if (a.unidirectional) parts.push(causalBias(seq, total, total - seq));
    if (inputs[5]) parts.push(inputs[5]);
    const bias = zip(parts, (...values) => values.reduce((p, n) => p + n));
    const y = joinHeads(attend(q, k, v, a.scale ?? 1 / Math.sqrt(q.shape[3]!), 0, bias).y);
    const present = k.shape.join() === v.shape.join() ? nd([2, ...k.shape], [...k.data, ...v.data]) : k;
    return [y, present];
  },
  vjp: byDecomposition(msAttentionProblem),
});

function half(past: NdArray, which: 0 | 1): NdArray {
  const size = past.data.length / 2;
  return nd(past.shape.slice(1), past.data.slice(which * size, (which + 1) * size));
}

/** mask_index as (batch) lengths, (batch, total) or (batch, seq, total) 0/1 values, as a bias. */
function maskBias(mask: NdArray | null, batch: number, total: number, masked: number): NdArray {
  if (!mask) return nd([1, 1, 1, 1], [0]);
  if (mask.shape.length === 1 && mask.shape[0] === batch) {
    return fromIndex([batch, 1, 1, total], ([b, , , j]) => (j! < mask.data[b!]! ? 0 : masked));
  }
  if (mask.shape.length === 2) {
    return nd(
      [batch, 1, 1, total],
      mask.data.map((m) => (m !== 0 ? 0 : masked)),
    );
  }
  if (mask.shape.length !== 3) throw new Error(`a mask of shape [${mask.shape}] has no reference`);
  return nd(
    [mask.shape[0]!, 1, mask.shape[1]!, mask.shape[2]!],
    mask.data.map((m) => (m !== 0 ? 0 : masked)),
  );
}
