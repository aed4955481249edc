import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { attend, joinHeads, splitHeads } from './heads.js';
import { dimsOf, type OpLowering } from './lowering.js';
import { paddingBias, sumOf } from './padding.js';

/** com.microsoft MultiHeadAttention without a past: outputs y and the keys and values per head. */
export function lowerMultiHeadAttention(b: OpLowering, node: Node): readonly Value[] {
  const a = attributes(node, 'com.microsoft::MultiHeadAttention');
  const heads = a.num_heads;
  const given = node.inputs.slice(0, 3) as Value[];
  const widths = given.map((x) => dimsOf(x)!.at(-1) as number);
  const bias = node.inputs[3];
  const parts = bias ? b.split(bias, 0, widths) : null;
  const split = (x: Value, i: number): Value =>
    dimsOf(x)!.length === 4 ? x : splitHeads(b, parts ? b.add(x, parts[i]!) : x, heads);
  const [qs, ks, vs] = given.map(split) as [Value, Value, Value];
  const [q, k, v] = given as [Value, Value, Value];
  const size = widths[0]! / heads;
  const valueSize = dimsOf(v)!.length === 4 ? widths[2]! : widths[2]! / heads;
  const axis = dimsOf(k)!.length === 4 ? 2 : 1;
  const mask = node.inputs[4];
  const padding = mask ? paddingBias(b, mask, k, axis, a.mask_filter_value) : null;
  const y = attend(b, {
    q: qs,
    k: ks,
    v: vs,
    scale: a.scale || 1 / Math.sqrt(size),
    softcap: 0,
    allowed: a.unidirectional ? b.causal(q, 1, k, axis) : null,
    bias: sumOf(b, padding, node.inputs[5] ?? null),
    full: true,
  });
  return [joinHeads(b, y, heads, valueSize), ks, vs];
}
