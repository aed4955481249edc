import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { attend, joinHeads, repeatHeads, splitHeads } from './heads.js';
import { dimsOf, type OpLowering } from './lowering.js';

/** Attention (operator sets 23 and later), without a past: outputs y and the keys and values per head. */
export function lowerAttention(b: OpLowering, node: Node): readonly Value[] {
  const a = attributes(node, 'Attention');
  const [q, k, v] = node.inputs as Value[];
  const flat = dimsOf(q!)!.length === 3;
  const heads = flat ? a.q_num_heads! : (dimsOf(q!)![1] as number);
  const own = flat ? a.kv_num_heads! : (dimsOf(k!)![1] as number);
  const width = (x: Value, count: number): number => (dimsOf(x)!.at(-1) as number) / (flat ? count : 1);
  const [size, valueSize] = [width(q!, heads), width(v!, own)];
  const split = (x: Value, count: number): Value => (flat ? splitHeads(b, x, count) : x);
  const [qs, ks, vs] = [split(q!, heads), split(k!, own), split(v!, own)];
  const mask = node.inputs[3] ?? null;
  const boolean = mask?.type?.kind === 'tensor' && mask.type.dtype === 'bool';
  const axis = flat ? 1 : 2;
  const causal = a.is_causal ? b.causal(q!, axis, k!, axis) : null;
  const both = mask && boolean && causal ? b.same('And', [mask, causal]) : null;
  const y = attend(b, {
    q: qs,
    k: repeatHeads(b, ks, own, heads, size),
    v: repeatHeads(b, vs, own, heads, valueSize),
    scale: a.scale ?? 1 / Math.sqrt(size),
    softcap: a.softcap,
    allowed: both ?? causal ?? (boolean ? mask : null),
    bias: boolean ? null : mask,
    full: mask === null,
  });
  return [flat ? joinHeads(b, y, heads, valueSize) : y, ks, vs];
}
