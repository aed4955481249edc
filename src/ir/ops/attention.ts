import type { Node } from '../model.js';
import { type Dim, type Shape, sameDim, shapeText } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type NdArray, op } from './core/define.js';
import { addDim, divExact, mulDim } from './core/dims.js';
import { attributes, input, type Vjp } from './core/gradient.js';
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
} from './core/nd.js';
import {
  attrs,
  dtypeAt,
  mustAgree,
  need,
  one,
  rankIn,
  rule,
  shapeAt,
  tensorAt,
  typeOf,
} from './core/rules.js';

/** Attention and rotary positions of the standard operator set; forms that the pass `decompose` leaves alone. */

type Attrs = AttrsOf<'Attention'>;

/** The shape as (batch, heads, seq, d). */
function headed(shape: Shape, heads: number | undefined): Dim[] {
  if (shape.length === 4) return [...shape];
  return [shape[0]!, heads ?? null, shape[1]!, divExact(shape[2]!, heads ?? null)];
}

/** (batch, seq, heads*d) -> (batch, heads, seq, d) */
export function splitHeadsOfArray(x: NdArray, heads: number): NdArray {
  const [batch, seq, width] = x.shape as [number, number, number];
  return transpose(reshape(x, [batch, seq, heads, width / heads]), [0, 2, 1, 3]);
}

/** a and b one after the other along `axis`. */
export function append(a: NdArray, b: NdArray, axis: number): NdArray {
  const [as, bs, n] = [stridesOf(a.shape), stridesOf(b.shape), a.shape[axis]!];
  return fromIndex(a.shape.with(axis, n + b.shape[axis]!), (index) =>
    index[axis]! < n ? a.data[offset(as, index)]! : b.data[offset(bs, index.with(axis, index[axis]! - n))]!,
  );
}

interface AttentionStages {
  readonly scores: NdArray;
  readonly capped: NdArray;
  readonly biased: NdArray;
  readonly weights: NdArray;
  readonly y: NdArray;
}

/** Each key/value head repeated for the query heads that share it. */
function repeatHeads(x: NdArray, heads: number): NdArray {
  const own = x.shape[1]!;
  if (own === heads) return x;
  const strides = stridesOf(x.shape);
  return fromIndex(
    x.shape.with(1, heads),
    (index) => x.data[offset(strides, index.with(1, Math.floor((index[1]! * own) / heads)))]!,
  );
}

/** softmax(scale q k^T, softcap, + bias) v on (batch, heads, seq, d); a row with nothing to attend to gives 0. */
export function attendArrays(
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

/** The sum of mask, causal mask and padding as a bias that broadcasts to (batch, heads, queries, keys). */
function biasOf(
  node: Node<'Attention'>,
  a: Attrs,
  inputs: readonly (NdArray | null)[],
  queries: number,
  keys: number,
): NdArray | null {
  const parts: NdArray[] = [];
  const mask = inputs[3];
  if (mask) {
    const allowed = dtypeAt(node, 3) === 'bool';
    const strides = stridesOf(mask.shape);
    const last = mask.shape.length - 1;
    const width = mask.shape[last]!;
    const outside = Number.NEGATIVE_INFINITY;
    parts.push(
      fromIndex(mask.shape.with(last, width === 1 ? 1 : keys), (index) => {
        if (index[last]! >= width) return outside;
        const value = mask.data[offset(strides, index)]!;
        return allowed ? (value !== 0 ? 0 : outside) : value;
      }),
    );
  }
  const shift = inputs[4]?.shape[2] ?? 0;
  const lengths = inputs[6] ?? null;
  if (a.is_causal) {
    if (lengths && !inputs[4]) {
      parts.push(
        fromIndex([lengths.data.length, 1, queries, keys], ([b, , i, j]) =>
          j! <= i! + lengths.data[b!]! - queries ? 0 : Number.NEGATIVE_INFINITY,
        ),
      );
    } else parts.push(causalBias(queries, keys, shift));
  }
  if ((a.left_window_size ?? -1) >= 0 || (a.right_window_size ?? -1) >= 0)
    throw new Error('sliding windows have no reference');
  if (lengths)
    parts.push(
      fromIndex([lengths.data.length, 1, 1, keys], ([b, , , j]) =>
        j! < lengths.data[b!]! ? 0 : Number.NEGATIVE_INFINITY,
      ),
    );
  if (parts.length === 0) return null;
  return map(
    zip(parts, (...xs) => xs.reduce((p, x) => p + x)),
    (x) => x,
  );
}

/** (batch, heads, seq, d) -> (batch, seq, heads*d) */
export function joinHeadsOfArray(x: NdArray): NdArray {
  const [batch, heads, seq, depth] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, seq, heads * depth]);
}

/** Why a node is of a form that the pass `decompose` leaves alone; null when it is lowered to ordinary ops. */
export type FormProblem = (node: Node) => string | null;

/** Masks are made by Range, which exists from this operator set on. */
export const DECOMPOSED_SINCE = 11;

const PAST = 'it continues a cache of past keys and values';

/** Attention ops are lowered before models are differentiated; what is left has a form without a decomposition. */
export function byDecomposition(problem: FormProblem): Vjp {
  return (b, node) => {
    const left =
      b.opset < DECOMPOSED_SINCE
        ? `it is decomposed in operator sets from ${DECOMPOSED_SINCE} on`
        : 'the pass decompose must run before';
    const because = problem(node) ?? left;
    return because === PAST ? { because, cache: true } : { because };
  };
}

function isRead(node: Node, index: number): boolean {
  const output = node.outputs[index];
  return output !== undefined && output.name !== '' && (output.uses.size > 0 || output.isOutput);
}

/** Shapes as far as inference knows them: ranks of q, k, v and their last extents, which must be numbers. */
function unknownShape(node: Node, indices: readonly number[]): string | null {
  for (const index of indices) {
    const shape = shapeAt(node, index);
    if (!shape) return `the rank of its input ${index} is unknown`;
    if (typeof shape.at(-1) !== 'number') return `the last extent of its input ${index} is not a number`;
  }
  return null;
}

/** Attention of operator sets 23 and later. */
export const attentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'Attention');
  if (node.inputs[4] || node.inputs[5]) return PAST;
  if (node.inputs[6]) return 'it takes the lengths of the rows (nonpad_kv_seqlen)';
  if (isRead(node, 3)) return 'its scores are an output (qk_matmul_output)';
  if ((a.left_window_size ?? -1) >= 0 || (a.right_window_size ?? -1) >= 0)
    return 'it looks at a sliding window of keys';
  const unknown = unknownShape(node, [0, 1, 2]);
  if (unknown) return unknown;
  const mask = dtypeAt(node, 3);
  if (node.inputs[3] && mask !== 'bool' && mask !== dtypeAt(node, 0))
    return `its mask is of the type ${mask ?? 'that nothing tells'}`;
  const shape = shapeAt(node, 0)!;
  const heads =
    shape.length === 3 ? [a.q_num_heads, a.kv_num_heads] : [0, 1].map((index) => shapeAt(node, index)?.[1]);
  return heads.every((count) => typeof count === 'number') ? null : 'its numbers of heads are unknown';
};

/**
 * Attention: softmax(q k^T scale + mask) v per head. q, k, v are (batch, heads, seq, d), or (batch, seq, heads*d) with
 * the numbers of heads as attributes; fewer key/value heads than query heads are shared. Outputs: y, the keys and
 * values with the past ones before them, and the scores at the stage that qk_matmul_output_mode names.
 */
export const Attention = op({
  name: 'Attention',
  since: 23,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const [q, k, v, , past] = [0, 1, 2, 3, 4].map((index) => tensorAt(ctx, index));
    const dtype = q?.dtype;
    if (!q?.shape || !k?.shape || !v?.shape) return { types: node.outputs.map(() => typeOf(dtype, null)) };
    for (const [name, type] of [
      ['Q', q],
      ['K', k],
      ['V', v],
    ] as const)
      rankIn(node, type.shape, q.shape.length, q.shape.length, name);
    rankIn(node, q.shape, 3, 4, 'Q');
    const flat = q.shape.length === 3;
    const [qs, ks, vs] = [
      headed(q.shape, a.q_num_heads),
      headed(k.shape, a.kv_num_heads),
      headed(v.shape, a.kv_num_heads),
    ];
    mustAgree(node, qs[3], ks[3], 'head sizes of Q and K');
    mustAgree(node, ks[2], vs[2], 'lengths of K and V');
    const before = node.inputs[4] ? (past?.shape?.[2] ?? null) : 0;
    const total = addDim(before, ks[2]!);
    const y = flat ? [qs[0]!, qs[2]!, mulDim(qs[1]!, vs[3]!)] : [qs[0]!, qs[1]!, qs[2]!, vs[3]!];
    return {
      types: [
        typeOf(dtype, y),
        typeOf(dtype, [ks[0]!, ks[1]!, total, ks[3]!]),
        typeOf(v.dtype, [vs[0]!, vs[1]!, total, vs[3]!]),
        typeOf(dtype, [qs[0]!, qs[1]!, qs[2]!, total]),
      ],
    };
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const flat = need(inputs, 0).shape.length === 3;
    const [q, k1, v1] = [0, 1, 2].map((index) =>
      flat
        ? splitHeadsOfArray(need(inputs, index), (index === 0 ? a.q_num_heads : a.kv_num_heads)!)
        : need(inputs, index),
    ) as [NdArray, NdArray, NdArray];
    const [k, v] = [inputs[4] ? append(inputs[4], k1, 2) : k1, inputs[5] ? append(inputs[5], v1, 2) : v1];
    const scale = a.scale ?? 1 / Math.sqrt(q.shape[3]!);
    const stages = attendArrays(q, k, v, scale, a.softcap, biasOf(node, a, inputs, q.shape[2]!, k.shape[2]!));
    const shown = [stages.scores, stages.capped, stages.biased, stages.weights][a.qk_matmul_output_mode]!;
    return [flat ? joinHeadsOfArray(stages.y) : stages.y, k, v, shown];
  },
  gradientsOf: 'all',
  vjp: byDecomposition(attentionProblem),
  cases: [
    { inputs: ['float[2,4,3,6]', 'float[2,2,5,6]', 'float[2,2,5,7]'], opset: 23, attrs: { softcap: 2.5 } },
    {
      inputs: ['float[2,3,24]', 'float[2,3,12]', 'float[2,3,12]', 'bool[3,3]'],
      opset: 23,
      attrs: { q_num_heads: 4, kv_num_heads: 2, scale: 0.3 },
    },
    {
      inputs: ['float[1,2,3,4]', 'float[1,2,3,4]', 'float[1,2,3,4]', '', 'float[1,2,2,4]', 'float[1,2,2,4]'],
      opset: 23,
      outputs: 3,
    },
    { inputs: ['float[1,2,5,4]', 'float[1,2,5,4]', 'float[1,2,5,4]'], opset: 23, attrs: { is_causal: 1 } },
  ],
});

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

/**
 * RotaryEmbedding (opset 23 and com.microsoft) rotates pairs by an angle: the gradient is the same op with the angle
 * negated, i.e. with -sin. `sinAt` is the input number of the sine cache.
 */
export function rotaryVjp(sinAt: number): Vjp {
  return (b, node, [dy]) => {
    if (b.wants(sinAt - 1) || b.wants(sinAt))
      return { because: 'its angles depend on trained values', at: node };
    const sine = input(node, sinAt);
    const inputs = node.inputs.map((value, i) => (i === 0 ? dy! : i === sinAt ? b.neg(sine) : value));
    const attrs = Object.fromEntries(node.attrs);
    const [dx] = b.node(node.op, inputs, attrs, { domain: node.domain });
    return node.inputs.map((_, i) => (i === 0 ? dx! : null));
  };
}

/**
 * RotaryEmbedding: pairs of each head's elements rotated by position. x is (batch, heads, seq, d) or
 * (batch, seq, heads*d); caches are (positions, half) with position_ids (batch, seq), or (batch, seq, half) without.
 */
export const RotaryEmbedding = op({
  name: 'RotaryEmbedding',
  since: 23,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 3, 4, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const given = need(inputs, 0);
    const a = attrsOf(node);
    const flat = given.shape.length === 3;
    const x = flat ? splitHeadsOfArray(given, a.num_heads!) : given;
    const half = (a.rotary_embedding_dim || x.shape[3]!) / 2;
    const [cos, sin, ids] = [need(inputs, 1), need(inputs, 2), inputs[3]];
    const seq = x.shape[2]!;
    const y = rotate(x, half, a.interleaved === 1, (b, s, pair) => {
      const cell = (cos.shape.length === 3 && cos.shape[0] === 1 ? 0 : b) * seq + s;
      const row = ids ? ids.data[(ids.shape[0] === 1 ? 0 : b) * seq + s]! : cell;
      return [cos.data[row * half + pair]!, sin.data[row * half + pair]!];
    });
    return [flat ? joinHeadsOfArray(y) : y];
  },
  vjp: rotaryVjp(2),
  cases: [
    {
      inputs: [
        'float[2,3,5,8]',
        'const float[7,4]',
        'const float[7,4]',
        'int64[2,5] {0, 1, 2, 3, 4, 2, 3, 4, 5, 6}',
      ],
      opset: 23,
    },
    {
      inputs: ['float[2,5,12]', 'const float[2,5,2]', 'const float[2,5,2]'],
      opset: 23,
      attrs: { num_heads: 2, rotary_embedding_dim: 4, interleaved: 1 },
    },
  ],
});

/** Masks of padding: (batch) lengths, (batch, keys) or (batch, queries, keys) values; 1-D forms are told by extent. */
function maskProblem(node: Node, index: number, batch: Dim): string | null {
  if (!node.inputs[index]) return null;
  const mask = shapeAt(node, index);
  if (!mask) return `the rank of its mask is unknown`;
  if (mask.length === 2 || mask.length === 3) return null;
  if (mask.length === 1 && sameDim(mask[0]!, batch)) return null;
  return `its mask has the shape ${shapeText(mask)}`;
}

/** com.microsoft MultiHeadAttention. */
export const multiHeadAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::MultiHeadAttention');
  if (node.inputs[6] || node.inputs[7] || node.inputs[8] || node.inputs[9]) return PAST;
  if (!node.inputs[1] || !node.inputs[2]) return 'its keys and values are packed into another input';
  if (isRead(node, 3)) return 'its scores are an output (qk)';
  const unknown = unknownShape(node, [0, 1, 2]);
  if (unknown) return unknown;
  const [q, k, v] = [0, 1, 2].map((index) => shapeAt(node, index)!) as [Shape, Shape, Shape];
  if (q.length !== 3 || k.length !== v.length || k.length > 4) return 'its keys and values are packed';
  if (k.length === 4 && node.inputs[3]) return 'it has a bias and keys that are split into heads';
  if (a.unidirectional && !sameDim(q[1]!, k[k.length - 2]!))
    return 'it is causal with queries and keys of different lengths';
  return maskProblem(node, 4, q[0]!);
};

/** com.microsoft Attention. */
export const msAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::Attention');
  if (node.inputs[4] || node.inputs[6]) return PAST;
  if (a.do_rotary) return 'it rotates queries and keys (do_rotary)';
  if (isRead(node, 1)) return 'its keys and values are an output (present)';
  const unknown = unknownShape(node, [0, 1]);
  if (unknown) return unknown;
  const [x, packed] = [shapeAt(node, 0)!, shapeAt(node, 1)!];
  if (x.length !== 3 || packed.length !== 2) return 'its input or its weights have an unusual rank';
  return maskProblem(node, 3, x[0]!);
};

/** com.microsoft GroupQueryAttention. */
export const groupQueryAttentionProblem: FormProblem = (node) => {
  const a = attributes(node, 'com.microsoft::GroupQueryAttention');
  const past = [3, 4].filter((index) => node.inputs[index]);
  if (past.some((index) => shapeAt(node, index)?.[2] !== 0)) return PAST;
  if (a.local_window_size > 0) return `it looks at a sliding window of ${a.local_window_size} keys`;
  if (a.smooth_softmax > 0 || node.inputs[11]) return 'its softmax has a sink';
  // ONNX Runtime's kernel reads the first row of them for all rows: nothing can be equal to both it and the meaning
  if (a.do_rotary && node.inputs[9]) return 'it is given the positions to rotate by (position_ids)';
  if (node.inputs[10]) return 'it adds a bias to the scores (attention_bias)';
  if (node.inputs[12] || node.inputs[13]) return 'its cache is quantised';
  if (isRead(node, 3)) return 'its scores are an output (output_qk)';
  if (!node.inputs[1] !== !node.inputs[2]) return 'its keys and values are packed';
  if (a.do_rotary && !(node.inputs[7] && node.inputs[8])) return 'it rotates without caches of angles';
  return unknownShape(node, [0, ...(node.inputs[1] ? [1, 2] : []), ...(a.do_rotary ? [7] : [])]);
};
