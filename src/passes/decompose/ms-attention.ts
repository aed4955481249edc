import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { attend, joinHeads, splitHeads } from './heads.js';
import { dimsOf, type OpLowering } from './lowering.js';
import { paddingBias, sumOf } from './padding.js';

/** com.microsoft Attention without a past: the packed projection, then attention per head. */
export function lowerMsAttention(b: OpLowering, node: Node): readonly Value[] {
  const a = attributes(node, 'com.microsoft::Attention');
  const [x, weights, bias, mask] = node.inputs as [Value, Value, Value | null, Value | null];
  const width = dimsOf(weights)![1] as number;
  const sizes = a.qkv_hidden_sizes ?? [width / 3, width / 3, width / 3];
  const product = b.one('MatMul', [x, weights]);
  const packed = bias ? b.add(product, bias) : product;
  const [q, k, v] = b.split(packed, 2, sizes).map((part) => splitHeads(b, part, a.num_heads)) as [
    Value,
    Value,
    Value,
  ];
  const padding = mask ? paddingBias(b, mask, x, 1, a.mask_filter_value) : null;
  const y = attend(b, {
    q,
    k,
    v,
    scale: a.scale || 1 / Math.sqrt(sizes[0]! / a.num_heads),
    softcap: 0,
    allowed: a.unidirectional ? b.causal(x, 1, x, 1) : null,
    bias: sumOf(b, padding, node.inputs[5] ?? null),
    full: true,
  });
  return [joinHeads(b, y, a.num_heads, sizes[2]! / a.num_heads)];
}
