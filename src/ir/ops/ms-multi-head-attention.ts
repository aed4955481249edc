import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { addDim, divExact, mulDim } from './dims.js';
import { append, attend, causalBias, joinHeads, splitHeads } from './families/attention.js';
import { byDecomposition, multiHeadAttentionProblem } from './gradients/attention.js';
import { fromIndex, nd, zip } from './nd.js';
import { attrs, need, rule, tensorAt, typeOf } from './rules.js';

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
      return splitHeads(
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
    const stages = attend(q, k, v, a.scale || 1 / Math.sqrt(q.shape[3]!), 0, sum);
    return [joinHeads(stages.y), k, v, stages.biased];
  },
  vjp: byDecomposition(multiHeadAttentionProblem),
});
