import type { Value } from '../../ir/model.js';
import { dimsOf, type OpLowering } from './lowering.js';

/** The number that com.microsoft operators add to the scores of masked keys by default. */
const FILTER = -10000;

/**
 * A mask of com.microsoft operators as a bias that broadcasts to (batch, heads, queries, keys): 0 where a key counts,
 * `filter` where it is padding. The mask holds lengths (batch), or values (batch, keys) or (batch, queries, keys) of
 * which positive ones count. `k` has its keys along `axis`. Layers that read the same mask share the bias.
 */
export function paddingBias(
  b: OpLowering,
  mask: Value,
  k: Value,
  axis: number,
  filter: number | undefined,
): Value {
  const rank = dimsOf(mask)!.length;
  const extent = dimsOf(k)?.[axis] ?? null;
  const make = (): Value => {
    const counts =
      rank === 1 ? shorter(b, mask, k, axis) : b.one('Greater', [wide(b, mask, rank), b.index(0)]);
    return b.one('Where', [counts, b.scalar(0), b.scalar(filter ?? FILTER)]);
  };
  if (rank === 1 && extent === null) return make();
  return b.once(`padding:${b.dtype}:${filter}:${extent}:${mask.name}`, make);
}

/** (batch, 1, 1, keys) or (batch, 1, queries, keys) int64 */
function wide(b: OpLowering, mask: Value, rank: number): Value {
  return b.unsqueeze(b.cast(mask, 'i64'), rank === 2 ? [1, 2] : [1]);
}

/** (batch, 1, 1, keys) booleans: key j counts when j < length */
function shorter(b: OpLowering, lengths: Value, k: Value, axis: number): Value {
  const last = b.reshape(b.cast(lengths, 'i64'), [-1, 1, 1, 1]);
  return b.one('Greater', [last, b.positions(k, axis)]);
}

/** The sum of the biases that there are. */
export function sumOf(b: OpLowering, x: Value | null, y: Value | null): Value | null {
  return x && y ? b.add(x, y) : (x ?? y);
}
