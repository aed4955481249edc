import { attrInt } from '../../ir/attr.js';
import type { DType } from '../../ir/dtype.js';
import type { Value } from '../../ir/model.js';
import type { OpLowering } from './lowering.js';

/** (batch, seq, heads*d) -> (batch, heads, seq, d) */
export function splitHeads(b: OpLowering, x: Value, heads: number): Value {
  return b.transpose(b.reshape(x, [0, 0, heads, -1]), 0, 2, 1, 3);
}

/** (batch, heads, seq, d) -> (batch, seq, heads*d); d is the extent of the last axis. */
export function joinHeads(b: OpLowering, x: Value, heads: number, d: number): Value {
  return b.reshape(b.transpose(x, 0, 2, 1, 3), [0, 0, heads * d]);
}

/** (batch, own, seq, d) -> (batch, heads, seq, d): each head is repeated for every query head that shares it. */
export function repeatHeads(b: OpLowering, x: Value, own: number, heads: number, d: number): Value {
  if (own === heads) return x;
  const single = b.reshape(b.reshape(x, [0, own, -1]), [0, own, 1, -1]);
  const repeated = b.one('Expand', [single, b.ints([1, 1, heads / own, 1])]);
  return b.reshape(repeated, [0, heads, -1, d]);
}

export interface Attended {
  /** (batch, heads, queries, d) */
  readonly q: Value;
  /** (batch, heads, keys, d) */
  readonly k: Value;
  /** (batch, heads, keys, e) */
  readonly v: Value;
  readonly scale: number;
  /** scores become c tanh(scores / c); 0: they stay */
  readonly softcap: number;
  /** booleans that broadcast to (batch, heads, queries, keys): true where attention is allowed */
  readonly allowed: Value | null;
  /** added to the scores; broadcasts likewise */
  readonly bias: Value | null;
  /** whether every query has a key that it may attend to: no guard is needed then */
  readonly full: boolean;
}

/**
 * softmax(scale q k^T, capped, + bias where allowed) v -> (batch, heads, queries, e). Masked scores are finite, so that
 * neither the softmax nor its gradient is NaN in a row without any key; such a row gives zeros, as in ONNX Runtime.
 */
export function attend(b: OpLowering, { q, k, v, scale, softcap, allowed, bias, full }: Attended): Value {
  const low = b.scalar(lowest(b.dtype));
  let scores = b.one('MatMul', [b.mul(q, b.scalar(scale)), b.transpose(k, 0, 1, 3, 2)]);
  if (softcap > 0) {
    const cap = b.scalar(softcap);
    scores = b.mul(b.one('Tanh', [b.one('Div', [scores, cap])]), cap);
  }
  let seen: Value | null = null;
  if (bias) {
    const outside = b.scalar(Number.NEGATIVE_INFINITY);
    const added = allowed ? b.same('Where', [allowed, bias, outside]) : bias;
    scores = b.add(scores, b.same('Max', [added, low]));
    if (!full) seen = b.same('Greater', [best(b, added), outside]);
  } else if (allowed) {
    scores = b.one('Where', [allowed, scores, low]);
    if (!full)
      seen = b.same('Greater', [best(b, b.same('Where', [allowed, b.scalar(1), b.scalar(0)])), b.scalar(0)]);
  }
  const y = b.one('MatMul', [b.one('Softmax', [scores], { axis: attrInt(-1) }), v]);
  return seen ? b.one('Where', [seen, y, b.scalar(0)]) : y;
}

/** The largest element of each row, the axis kept. */
function best(b: OpLowering, x: Value): Value {
  // axes became an input of ReduceMax in opset 18
  return b.opset >= 18
    ? b.same('ReduceMax', [x, b.ints([-1])], { keepdims: attrInt(1) })
    : b.same('ReduceMax', [x], { axes: { kind: 'ints', value: [-1] }, keepdims: attrInt(1) });
}

/** A score whose softmax is 0, and that stays finite when scores are added to it. */
function lowest(dtype: DType): number {
  if (dtype === 'f16') return -6e4;
  return dtype === 'f64' ? -1e300 : -3.3e38;
}
