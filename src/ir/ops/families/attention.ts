import type { NdArray } from '../define.js';
import {
  alongAxis,
  fromIndex,
  map,
  matmul,
  offset,
  reshape,
  softmaxLine,
  stridesOf,
  swapLast,
  transpose,
  zip,
} from '../nd.js';

/** (batch, seq, heads*d) -> (batch, heads, seq, d) */
export function splitHeads(x: NdArray, heads: number): NdArray {
  const [batch, seq, width] = x.shape as [number, number, number];
  return transpose(reshape(x, [batch, seq, heads, width / heads]), [0, 2, 1, 3]);
}

/** (batch, heads, seq, d) -> (batch, seq, heads*d) */
export function joinHeads(x: NdArray): NdArray {
  const [batch, heads, seq, depth] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, seq, heads * depth]);
}

/** Each key/value head repeated for the query heads that share it. */
export function repeatHeads(x: NdArray, heads: number): NdArray {
  const own = x.shape[1]!;
  if (own === heads) return x;
  const strides = stridesOf(x.shape);
  return fromIndex(
    x.shape.with(1, heads),
    (index) => x.data[offset(strides, index.with(1, Math.floor((index[1]! * own) / heads)))]!,
  );
}

/** a and b one after the other along `axis`. */
export function append(a: NdArray, b: NdArray, axis: number): NdArray {
  const [as, bs, n] = [stridesOf(a.shape), stridesOf(b.shape), a.shape[axis]!];
  return fromIndex(a.shape.with(axis, n + b.shape[axis]!), (index) =>
    index[axis]! < n ? a.data[offset(as, index)]! : b.data[offset(bs, index.with(axis, index[axis]! - n))]!,
  );
}

export interface AttentionStages {
  readonly scores: NdArray;
  readonly capped: NdArray;
  readonly biased: NdArray;
  readonly weights: NdArray;
  readonly y: NdArray;
}

/** softmax(scale q k^T, softcap, + bias) v on (batch, heads, seq, d); a row with nothing to attend to gives 0. */
export function attend(
  q: NdArray,
  k: NdArray,
  v: NdArray,
  scale: number,
  softcap: number,
  bias: NdArray | null,
): AttentionStages {
  const heads = q.shape[1]!;
  const scores = map(matmul(q, swapLast(repeatHeads(k, heads))), (x) => x * scale);
  const capped = softcap > 0 ? map(scores, (x) => softcap * Math.tanh(x / softcap)) : scores;
  const biased = bias ? zip([capped, bias], (a, b) => a! + b!) : capped;
  const weights = alongAxis(biased, 3, (line) =>
    line.every((x) => x === Number.NEGATIVE_INFINITY) ? line.map(() => 0) : softmaxLine(line),
  );
  return { scores, capped, biased, weights, y: matmul(weights, repeatHeads(v, heads)) };
}

/** 0 where key j <= query i + shift, else -Infinity (or `masked`). */
export function causalBias(
  queries: number,
  keys: number,
  shift: number,
  masked = Number.NEGATIVE_INFINITY,
): NdArray {
  return fromIndex([queries, keys], ([i, j]) => (j! <= i! + shift ? 0 : masked));
}

/**
 * Rotates pairs of the first 2*half elements of each head by angles with the given cosines and sines.
 * x: (batch, heads, seq, d); `angle(batch, seq, pair)` gives [cos, sin].
 */
export function rotate(
  x: NdArray,
  half: number,
  interleaved: boolean,
  angle: (batch: number, seq: number, pair: number) => readonly [number, number],
): NdArray {
  const strides = stridesOf(x.shape);
  return fromIndex(x.shape, (index) => {
    const at = index[3]!;
    if (at >= 2 * half) return x.data[offset(strides, index)]!;
    const pair = interleaved ? at >> 1 : at % half;
    const second = interleaved ? at % 2 === 1 : at >= half;
    const [a, b] = interleaved ? [2 * pair, 2 * pair + 1] : [pair, pair + half];
    const [cos, sin] = angle(index[0]!, index[2]!, pair);
    const x1 = x.data[offset(strides, index.with(3, a))]!;
    const x2 = x.data[offset(strides, index.with(3, b))]!;
    return second ? sin * x1 + cos * x2 : cos * x1 - sin * x2;
  });
}
