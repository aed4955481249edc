import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { tensorType } from '../../shape.js';
import type { GradBuilder } from '../define.js';
import { addSlices } from './gather.js';
import { attributes, axisOf, extraOutput, type Grads, input, type Vjp } from './vjp.js';

/**
 * Layer normalisation over axes [axis, rank): y = (x - mean) k w + c with k the inverse deviation.
 * With h = dy w and n = (x - mean) k: dx = k (h - mean(h) - n mean(h n)), dw = sum(dy n), dc = sum(dy).
 * Statistics come from the node's own outputs, which are added when they are not there.
 */
export const layerNormVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const { axis = -1 } = attributes(node, 'LayerNormalization'); // no default before it was in the schema
  const axes = axesFrom(axisOf(axis, b.rank(x)), b.rank(x));
  const mean = extraOutput(b, node, 1);
  const k = extraOutput(b, node, 2);
  return centred(b, { x, w, c: node.inputs[2] ?? null, mean, k, axes }, dy!, [0, 1, 2]);
};

/** SkipLayerNormalization (com.microsoft): layer normalisation of s = x + skip (+ bias), which is output 3. */
export const skipLayerNormVjp: Vjp = (b, node, grads) => {
  const [dy, , , dsum] = grads;
  const s = extraOutput(b, node, 3, input(node, 0));
  const { epsilon } = attributes(node, 'com.microsoft::SkipLayerNormalization');
  const affine = { w: input(node, 2), c: node.inputs[3] ?? null, at: [2, 3] as const };
  const parts = dy ? ofSum(b, s, affine, epsilon, dy) : [];
  const ds = both(b, parts[0] ?? null, dsum ?? null);
  return skipGrads(b, node, ds, [parts[1] ?? null, parts[2] ?? null], 4);
};

/**
 * EmbedLayerNormalization (com.microsoft): layer normalisation of s = word + position (+ segment) embeddings, which is
 * output 2. A table's gradient adds the rows of ds at the rows that were read.
 */
export const embedLayerNormVjp: Vjp = (b, node, grads) => {
  const [dy, , dsum] = grads;
  const ids = input(node, 0);
  const s = extraOutput(b, node, 2, node.outputs[0]!);
  const { epsilon } = attributes(node, 'com.microsoft::EmbedLayerNormalization');
  const affine = { w: input(node, 5), c: input(node, 6), at: [5, 6] as const };
  const parts = dy ? ofSum(b, s, affine, epsilon, dy) : [];
  const ds = both(b, parts[0] ?? null, dsum ?? null);
  const rows = (index: number, at: () => Value): Value | null =>
    ds && b.wants(index) ? addSlices(b, input(node, index), at(), 2, ds, 0) : null;
  const [segments, segment] = [node.inputs[1], node.inputs[4]];
  return [
    null,
    null,
    rows(2, () => ids),
    rows(3, () => b.one('Expand', [node.inputs[8] ?? positions(b, ids), b.shapeOf(ids)])),
    segments && segment ? rows(4, () => segments) : null,
    parts[1] ?? null,
    parts[2] ?? null,
  ].slice(0, node.inputs.length);
};

/** 0, 1, ... for each column of (batch, seq). */
function positions(b: GradBuilder, ids: Value): Value {
  const length = b.one('Gather', [b.one('Shape', [ids]), b.index(1)], { axis: attrInt(0) });
  return b.one('Range', [b.index(0), length, b.index(1)]);
}

interface Affine {
  readonly w: Value;
  readonly c: Value | null;
  /** input numbers of w and c */
  readonly at: readonly [number, number];
}

/**
 * [ds, dw, dc] of layer normalisation of s over its last axis, with statistics computed again: WebGPU does not deliver
 * them.
 */
function ofSum(b: GradBuilder, s: Value, { w, c, at }: Affine, epsilon: number, dy: Value): Grads {
  const axes = [b.rank(s) - 1];
  const wide = inFloat(b, s).up(s);
  const mean = b.reduceMean(wide, axes, true);
  const deviation = b.sub(wide, mean);
  const variance = b.reduceMean(b.mul(deviation, deviation), axes, true);
  const k = inverseRoot(b, variance, epsilon, wide);
  return centred(b, { x: s, w, c, mean, k, axes }, dy, [0, ...at]);
}

/** RMSNormalization (opset 23) and SimplifiedLayerNormalization: y = x k w, k = 1 / sqrt(mean(x^2) + eps). */
export const rmsNormVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const rank = b.rank(x);
  const { axis, epsilon } = attributes(node, 'RMSNormalization');
  const axes = axesFrom(axisOf(axis, rank), rank);
  // k is computed again: WebGPU writes the mean where SimplifiedLayerNormalization has k, and RMSNormalization has no
  // such output
  return rms(b, { x, w, k: inverseRms(b, x, axes, epsilon), axes }, dy!, [0, 1]);
};

/** SkipSimplifiedLayerNormalization (com.microsoft): RMS normalisation of s = x + skip (+ bias), which is output 3. */
export const skipRmsNormVjp: Vjp = (b, node, grads) => {
  const [dy, , , dsum] = grads;
  const s = extraOutput(b, node, 3, input(node, 0));
  const { epsilon } = attributes(node, 'com.microsoft::SkipSimplifiedLayerNormalization');
  const axes = [b.rank(input(node, 0)) - 1];
  const scaled = () => ({ x: s, w: input(node, 2), k: inverseRms(b, s, axes, epsilon), axes });
  const parts = dy ? rms(b, scaled(), dy, [0, 2]) : [];
  const ds = both(b, parts[0] ?? null, dsum ?? null);
  return skipGrads(b, node, ds, [parts[1] ?? null], 3);
};

interface Centred {
  readonly x: Value;
  readonly w: Value;
  readonly c: Value | null;
  readonly mean: Value;
  readonly k: Value;
  readonly axes: readonly number[];
}

/** [dx, dw, dc] of layer normalisation; `wanted` are the input numbers of x, w and c. */
function centred(b: GradBuilder, t: Centred, dy: Value, wanted: readonly number[]): Grads {
  const { up, down } = inFloat(b, t.x);
  const g = up(dy);
  const n = b.mul(b.sub(up(t.x), t.mean), t.k);
  const h = b.mul(g, up(t.w));
  const along = b.sub(h, b.reduceMean(h, t.axes, true));
  const across = b.mul(n, b.reduceMean(b.mul(h, n), t.axes, true));
  const dx = b.mul(t.k, b.sub(along, across));
  const wantsW = b.wants(wanted[1]!);
  const wantsC = t.c !== null && b.wants(wanted[2]!);
  return [
    down(dx),
    wantsW ? b.sumTo(down(b.mul(g, n)), t.x, t.w) : null,
    wantsC ? b.sumTo(dy, t.x, t.c!) : null,
  ];
}

interface Scaled {
  readonly x: Value;
  readonly w: Value;
  readonly k: Value;
  readonly axes: readonly number[];
}

/** [dx, dw]: dx = k h - x k^3 mean(h x) with h = dy w; dw = sum(dy x k). Half precision is computed in float32, as k is. */
function rms(b: GradBuilder, t: Scaled, dy: Value, wanted: readonly number[]): Grads {
  const { up, down } = inFloat(b, t.x);
  const g = up(dy);
  const h = b.mul(g, up(t.w));
  const n = b.mul(up(t.x), t.k);
  const across = b.mul(n, b.reduceMean(b.mul(h, n), t.axes, true));
  const dw = b.wants(wanted[1]!) ? b.sumTo(down(b.mul(g, n)), t.x, t.w) : null;
  return [down(b.mul(t.k, b.sub(h, across))), dw];
}

/** 1 / sqrt(mean(x^2) + eps), of half precision in float32: squares leave float16 from 256 on. */
function inverseRms(b: GradBuilder, x: Value, axes: readonly number[], epsilon: number): Value {
  const wide = inFloat(b, x).up(x);
  return inverseRoot(b, b.reduceMean(b.mul(wide, wide), axes, true), epsilon, wide);
}

/** Casts to float32 and back where x is of half precision: statistics are float32 (stash_type). */
function inFloat(b: GradBuilder, x: Value): Readonly<Record<'up' | 'down', (value: Value) => Value>> {
  const same = (value: Value): Value => value;
  if (!b.isHalf(x)) return { up: same, down: same };
  return {
    up: (value) => {
      const wide = b.one('Cast', [value], { to: attrInt(1) });
      wide.setType(tensorType('f32', value.type?.kind === 'tensor' ? value.type.shape : null), true);
      return wide;
    },
    down: (value) => b.one('Cast', [value], { to: attrInt(b.onnxType(x)) }),
  };
}

function inverseRoot(b: GradBuilder, square: Value, epsilon: number, like: Value): Value {
  return b.one('Reciprocal', [b.one('Sqrt', [b.add(square, b.scalar(epsilon, like))])]);
}

/** Gradients of (x, skip, weights..., bias): x and skip share ds; bias sums it. */
function skipGrads(b: GradBuilder, node: Node, ds: Value | null, weights: Grads, biasAt: number): Grads {
  const [x, skip, bias] = [input(node, 0), input(node, 1), node.inputs[biasAt] ?? null];
  const dskip = ds && b.wants(1) ? b.sumTo(ds, x, skip) : null;
  const dbias = ds && bias && b.wants(biasAt) ? b.sumTo(ds, x, bias) : null;
  return [ds, dskip, ...weights, dbias];
}

function both(b: GradBuilder, a: Value | null, c: Value | null): Value | null {
  return a && c ? b.add(a, c) : (a ?? c);
}

function axesFrom(first: number, rank: number): number[] {
  return Array.from({ length: rank - first }, (_, i) => first + i);
}
