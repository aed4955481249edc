import type { Dim } from '../shape.js';
import {
  append,
  attendArrays,
  byDecomposition,
  causalBias,
  groupQueryAttentionProblem,
  joinHeadsOfArray,
  msAttentionProblem,
  multiHeadAttentionProblem,
  rotaryVjp,
  rotate,
  splitHeadsOfArray,
} from './attention.js';
import { attrsOf } from './core/attrs.js';
import { type NdArray, op } from './core/define.js';
import { addDim, compareDims, divExact, mulDim } from './core/dims.js';
import { fromIndex, matmul, nd, offset, stridesOf, zip } from './core/nd.js';
import { attrs, need, one, rankIn, rule, tensorAt, typeOf } from './core/rules.js';

/** Attention and rotary positions of com.microsoft. */

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

/**
 * com.microsoft Attention: input (batch, seq, hidden) times packed weights (hidden, q+k+v) plus bias, then attention
 * per head. `present` is (2, batch, heads, past + seq, head size).
 */
export const MsAttention = op({
  name: 'com.microsoft::Attention',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, keeps: 'projects query, key and value inside the operator' },
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
      splitHeadsOfArray(
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
    const y = joinHeadsOfArray(attendArrays(q, k, v, a.scale ?? 1 / Math.sqrt(q.shape[3]!), 0, bias).y);
    const present = k.shape.join() === v.shape.join() ? nd([2, ...k.shape], [...k.data, ...v.data]) : k;
    return [y, present];
  },
  gradientsOf: 'all',
  vjp: byDecomposition(msAttentionProblem),
  cases: [
    { inputs: ['float[2,3,8]', 'float[8,24]', 'float[24]', 'int32[2] {3, 2}'], attrs: { num_heads: 2 } },
    {
      inputs: ['float[2,3,8]', 'float[8,24]', 'float[24]', '', 'float[2,2,2,5,4]'],
      attrs: { num_heads: 2, unidirectional: 1 },
      outputs: 2,
    },
  ],
});

/**
 * com.microsoft MultiHeadAttention: query (batch, seq, hidden), key and value (batch, kv, hidden) or already split
 * (batch, heads, kv, size); packed forms (query of rank 5, key of rank 5) have shapes but no reference.
 */
export const MsMultiHeadAttention = op({
  name: 'com.microsoft::MultiHeadAttention',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { num_heads } = attrs(node, ctx);
    const [q, k, v] = [0, 1, 2].map((index) => tensorAt(ctx, index)?.shape ?? null);
    const dtype = tensorAt(ctx, 0)?.dtype;
    if (!q) return { types: node.outputs.map(() => typeOf(dtype, null)) };
    const [batch, seq] = [q[0]!, q[1]!];
    if (q.length === 5)
      return { types: [typeOf(dtype, [batch, seq, mulDim(q[2]!, q[4]!)]), null, null, null] };
    const size = divExact(q[2]!, num_heads);
    const valueSize: Dim = v ? (v.length === 4 ? v[3]! : divExact(v[2]!, num_heads)) : size;
    const fresh: Dim = k ? (k.length === 4 ? k[2]! : k[1]!) : null;
    const past = node.inputs[6] ? (tensorAt(ctx, 6)?.shape?.[2] ?? null) : 0;
    const total = addDim(past, fresh);
    return {
      types: [
        typeOf(dtype, [batch, seq, mulDim(num_heads, valueSize)]),
        typeOf(dtype, [batch, num_heads, total, size]),
        typeOf(dtype, [batch, num_heads, total, valueSize]),
        typeOf(dtype, [batch, num_heads, seq, total]),
      ],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const heads = a.num_heads;
    const bias = inputs[3];
    const given = [need(inputs, 0), need(inputs, 1), need(inputs, 2)];
    if (given.some((x) => x.shape.length > 4) || inputs[8])
      throw new Error('packed or buffered inputs have no reference');
    let start = 0;
    const [q, k1, v1] = given.map((x) => {
      if (x.shape.length === 4) return x;
      const width = x.shape[2]!;
      const from = start;
      start += width;
      return splitHeadsOfArray(
        bias ? zip([x, nd([width], bias.data.slice(from, from + width))], (p, b) => p! + b!) : x,
        heads,
      );
    }) as [NdArray, NdArray, NdArray];
    const [k, v] = [inputs[6] ? append(inputs[6], k1, 2) : k1, inputs[7] ? append(inputs[7], v1, 2) : v1];
    const total = k.shape[2]!;
    const parts: NdArray[] = [];
    const padding = inputs[4];
    if (padding) {
      if (padding.shape.length !== 2) throw new Error('this form of key_padding_mask has no reference');
      const masked = a.mask_filter_value ?? -10000;
      parts.push(
        fromIndex([padding.shape[0]!, 1, 1, total], ([b, , , j]) =>
          padding.data[b! * total + j!] ? 0 : masked,
        ),
      );
    }
    if (inputs[5]) parts.push(inputs[5]);
    if (a.unidirectional) parts.push(causalBias(q.shape[2]!, total, total - q.shape[2]!));
    const sum = parts.length > 0 ? zip(parts, (...xs) => xs.reduce((p, x) => p + x)) : null;
    const stages = attendArrays(q, k, v, a.scale || 1 / Math.sqrt(q.shape[3]!), 0, sum);
    return [joinHeadsOfArray(stages.y), k, v, stages.biased];
  },
  gradientsOf: 'all',
  vjp: byDecomposition(multiHeadAttentionProblem),
  cases: [
    { inputs: ['float[2,3,8]', 'float[2,5,8]', 'float[2,5,8]', 'float[24]'], attrs: { num_heads: 2 } },
    { inputs: ['float[1,3,8]', 'float[1,3,8]', 'float[1,3,8]'], attrs: { num_heads: 2, unidirectional: 1 } },
  ],
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
      splitHeadsOfArray(need(inputs, 0), a.num_heads),
      splitHeadsOfArray(inputs[1], a.kv_num_heads),
      splitHeadsOfArray(inputs[2], a.kv_num_heads),
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
    const { y, capped } = attendArrays(q, k, v, a.scale || 1 / Math.sqrt(q.shape[3]!), a.softcap, bias);
    return [joinHeadsOfArray(y), k, v, capped];
  },
  gradientsOf: 'all',
  vjp: byDecomposition(groupQueryAttentionProblem),
  cases: [
    {
      inputs: [
        'float[1,3,64]',
        'float[1,3,32]',
        'float[1,3,32]',
        'float[1,2,0,16]',
        'float[1,2,0,16]',
        'int32[1] {2}',
        'const int32[1] {3}',
        'float[6,8]',
        'float[6,8]',
      ],
      attrs: { num_heads: 4, kv_num_heads: 2, do_rotary: 1 },
      outputs: 3,
    },
  ],
});

/**
 * com.microsoft RotaryEmbedding: as the standard one, with position_ids (batch, seq) or one offset for all. ONNX Runtime's
 * kernel (1.30) reads the attribute `scale` and does not use it.
 */
export const MsRotaryEmbedding = op({
  name: 'com.microsoft::RotaryEmbedding',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 3, 4, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const [given, ids, cos, sin] = [0, 1, 2, 3].map((index) => need(inputs, index));
    const a = attrsOf(node);
    if (a.is_packed_batching) throw new Error('packed batches have no reference');
    const cached = cos!.shape[1]!;
    const size = a.rotary_embedding_dim ? given!.shape.at(-1)! / a.num_heads : 2 * cached;
    const flat = given!.shape.length === 3;
    const x = flat ? splitHeadsOfArray(given!, given!.shape[2]! / size) : given!;
    const seq = x.shape[2]!;
    const y = rotate(x, cached, a.interleaved === 1, (b, s, pair) => {
      const row = ids!.data.length === 1 ? ids!.data[0]! + s : ids!.data[b * seq + s]!;
      return [cos!.data[row * cached + pair]!, sin!.data[row * cached + pair]!];
    });
    return [flat ? joinHeadsOfArray(y) : y];
  },
  vjp: rotaryVjp(3),
  cases: [
    {
      inputs: ['float[2,3,16]', 'int64[2,3] {0, 1, 2, 3, 4, 5}', 'const float[7,4]', 'const float[7,4]'],
      attrs: { interleaved: 1 },
    },
    {
      inputs: ['float[1,2,3,8]', 'int64[1] {2}', 'const float[7,4]', 'const float[7,4]'],
      attrs: { scale: 0.5 },
    },
    {
      inputs: ['float[2,3,12]', 'int64[2,3] {0, 1, 2, 3, 4, 5}', 'const float[7,2]', 'const float[7,2]'],
      attrs: { num_heads: 2, rotary_embedding_dim: 4 },
    },
  ],
});
