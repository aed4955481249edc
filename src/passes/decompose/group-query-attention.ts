import { attrInt } from '../../ir/attr.js';
import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { attend, joinHeads, repeatHeads, splitHeads } from './heads.js';
import { dimsOf, type OpLowering } from './lowering.js';

/**
 * com.microsoft GroupQueryAttention without a past: query i of a row sees the keys up to i, and none after the row's
 * length. Outputs y and the (rotated) keys and the values per head.
 */
export function lowerGroupQueryAttention(b: OpLowering, node: Node): readonly Value[] {
  const a = attributes(node, 'com.microsoft::GroupQueryAttention');
  const [heads, own] = [a.num_heads, a.kv_num_heads];
  const first = node.inputs[0]!;
  const separate = node.inputs[1] && node.inputs[2];
  const size = (dimsOf(first)![2] as number) / (separate ? heads : heads + 2 * own);
  const [q, k, v] = (
    separate
      ? node.inputs.slice(0, 3)
      : b.split(
          first,
          2,
          [heads, own, own].map((count) => count * size),
        )
  ) as [Value, Value, Value];
  const turn = (x: Value, count: number): Value => (a.do_rotary ? rotate(b, node, x, count, size) : x);
  const ks = splitHeads(b, turn(k, own), own);
  const vs = splitHeads(b, v, own);
  const y = attend(b, {
    q: splitHeads(b, turn(q, heads), heads),
    k: repeatHeads(b, ks, own, heads, size),
    v: repeatHeads(b, vs, own, heads, size),
    scale: a.scale || 1 / Math.sqrt(size),
    softcap: a.softcap,
    allowed: visible(b, first, node.inputs[5]!),
    bias: null,
    full: true,
  });
  return [joinHeads(b, y, heads, size), ks, vs];
}

/** (batch, 1, queries, keys) booleans. `last` holds the last key of each row, counted from 0. */
function visible(b: OpLowering, x: Value, last: Value): Value {
  const make = (): Value => {
    const ends = b.reshape(b.cast(last, 'i64'), [-1, 1, 1, 1]);
    const within = b.one('Not', [b.one('Greater', [b.positions(x, 1), ends])]);
    return b.one('And', [b.causal(x, 1, x, 1), within]);
  };
  const extent = dimsOf(x)?.[1] ?? null;
  return extent === null ? make() : b.once(`rows:${JSON.stringify(extent)}:${last.name}`, make);
}

/** The rotation as an operator of its own, which has a gradient rule; positions start at 0. */
function rotate(b: OpLowering, node: Node, x: Value, heads: number, size: number): Value {
  const a = attributes(node, 'com.microsoft::GroupQueryAttention');
  const [cos, sin, ids] = [node.inputs[7]!, node.inputs[8]!, b.ints([0])];
  const rotated = 2 * (dimsOf(cos)![1] as number);
  const attrs = {
    interleaved: attrInt(a.rotary_interleaved),
    ...(rotated === size ? {} : { rotary_embedding_dim: attrInt(rotated), num_heads: attrInt(heads) }),
  };
  return b.node('RotaryEmbedding', [x, ids, cos, sin], attrs, { domain: 'com.microsoft' })[0]!;
}
