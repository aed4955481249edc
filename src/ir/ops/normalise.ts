import { attrInt } from '../attr.js';
import { dtypeFromOnnx } from '../dtype.js';
import type { Value } from '../model.js';
import { tensorType } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { attributes, axisOf, extraOutput, type Grads, input, type Vjp } from './core/gradient.js';
import { reshape, sizeOf, zip } from './core/nd.js';
import { attrs, axisIn, need, one, rule, tensorAt, typeOf } from './core/rules.js';
import { leadingSlices } from './core/slices.js';

/** Normalisation over the last axes. */

/** Per row of the trailing dimensions: the normalised elements, the mean and 1/sqrt(variance + epsilon). */
interface Normalised {
  readonly y: NdArray;
  readonly mean: NdArray;
  readonly inverse: NdArray;
}

function nd1(data: Float64Array): NdArray {
  return { shape: [data.length], data };
}

/** Rows are all dimensions from `axis` on. `centre: false` gives the root-mean-square form (mean taken as 0). */
export function normalise(x: NdArray, axis: number, epsilon: number, centre: boolean): Normalised {
  const width = sizeOf(x.shape.slice(axis));
  const rows = sizeOf(x.shape.slice(0, axis));
  const y = new Float64Array(x.data.length);
  const [mean, inverse] = [new Float64Array(rows), new Float64Array(rows)];
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width);
    const m = centre ? row.reduce((a, v) => a + v, 0) / width : 0;
    const k = 1 / Math.sqrt(row.reduce((a, v) => a + (v - m) ** 2, 0) / width + epsilon);
    mean[r] = m;
    inverse[r] = k;
    for (let i = 0; i < width; i++) y[r * width + i] = (row[i]! - m) * k;
  }
  const kept = x.shape.map((dim, k) => (k < axis ? dim : 1));
  return {
    y: { shape: x.shape, data: y },
    mean: reshape(nd1(mean), kept),
    inverse: reshape(nd1(inverse), kept),
  };
}

/** y * scale + bias, both broadcast. */
export function affine(y: NdArray, scale: NdArray, bias: NdArray | null | undefined): NdArray {
  const scaled = zip([y, scale], (a, s) => a! * s!);
  return bias ? zip([scaled, bias], (a, b) => a! + b!) : scaled;
}

function axesFrom(first: number, rank: number): number[] {
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

interface Centred {
  readonly x: Value;
  readonly w: Value;
  readonly c: Value | null;
  readonly mean: Value;
  readonly k: Value;
  readonly axes: readonly number[];
}

/** Casts to float32 and back where x is of half precision: statistics are float32 (stash_type). */
export function inFloat(b: GradBuilder, x: Value): Readonly<Record<'up' | 'down', (value: Value) => Value>> {
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

/**
 * [dx, dw, dc] of layer normalisation; `wanted` are the input numbers of x, w and c. What has one number for each row is gathered
 * there: each other operator is a pass over whole activations.
 */
export function layerNormGrads(b: GradBuilder, t: Centred, dy: Value, wanted: readonly number[]): Grads {
  const { up, down } = inFloat(b, t.x);
  const g = up(dy);
  const centred = b.sub(up(t.x), t.mean);
  const h = b.mul(g, up(t.w));
  const share = b.mul(b.mul(t.k, t.k), b.reduceMean(b.mul(h, centred), t.axes, true));
  const across = b.sub(h, b.mul(centred, share));
  const dx = b.mul(t.k, b.sub(across, b.reduceMean(h, t.axes, true)));
  const wantsW = b.wants(wanted[1]!);
  const wantsC = t.c !== null && b.wants(wanted[2]!);
  return [
    down(dx),
    wantsW ? b.sumTo(down(b.mul(g, b.mul(centred, t.k))), t.x, t.w) : null,
    wantsC ? b.sumTo(dy, t.x, t.c!) : null,
  ];
}

/** LayerNormalization: (x - mean) / sqrt(variance + epsilon) * scale + bias over the dimensions from `axis` on. */
export const LayerNormalization = op({
  name: 'LayerNormalization',
  since: 1, // in the schema from 17 on; ONNX Runtime wrote it into older models
  traits: ['pure'],
  parameter: { input: 1, does: 'normalises, with a vector for a weight' },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { axis = -1, stash_type = 1 } = attrs(node, ctx);
    const at = x?.shape ? axisIn(node, axis, x.shape.length) : 0;
    const kept = x?.shape?.map((dim, k) => (k < at ? dim : 1)) ?? null;
    const stash = typeOf(x && dtypeFromOnnx(stash_type), kept);
    return { types: [typeOf(x?.dtype, x?.shape ?? null), stash, stash] };
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis ?? -1),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = -1, epsilon = 1e-5 } = attrsOf(node);
    const { y, mean, inverse } = normalise(x, axisIn(node, axis, x.shape.length), epsilon, true);
    return [affine(y, need(inputs, 1), inputs[2]), mean, inverse];
  },

  /**
   * Layer normalisation over axes [axis, rank): y = (x - mean) k w + c with k the inverse deviation.
   * With h = dy w and e = x - mean: dx = k (h - e k k mean(h e) - mean(h)), dw = sum(dy e k), dc = sum(dy).
   * Statistics come from the node's own outputs, which are added when they are not there.
   */
  vjp: (b, node, [dy]) => {
    const [x, w] = [input(node, 0), input(node, 1)];
    const { axis = -1 } = attributes(node, 'LayerNormalization'); // no default before it was in the schema
    const axes = axesFrom(axisOf(axis, b.rank(x)), b.rank(x));
    const mean = extraOutput(b, node, 1);
    const k = extraOutput(b, node, 2);
    return layerNormGrads(b, { x, w, c: node.inputs[2] ?? null, mean, k, axes }, dy!, [0, 1, 2]);
  },
  cases: [
    {
      inputs: ['float[2,3,4]', 'float[3,4]', 'float[3,4]'],
      attrs: { axis: 1, epsilon: 0.01 },
      outputs: 3,
      gradient: [0],
    },
  ],
});

interface Scaled {
  readonly x: Value;
  readonly w: Value;
  readonly k: Value;
  readonly axes: readonly number[];
}

/** [dx, dw]: dx = k h - x k^3 mean(h x) with h = dy w; dw = sum(dy x k). Half precision is computed in float32, as k is. */
export function rms(b: GradBuilder, t: Scaled, dy: Value, wanted: readonly number[]): Grads {
  const { up, down } = inFloat(b, t.x);
  const g = up(dy);
  const h = b.mul(g, up(t.w));
  const n = b.mul(up(t.x), t.k);
  const across = b.mul(n, b.reduceMean(b.mul(h, n), t.axes, true));
  const dw = b.wants(wanted[1]!) ? b.sumTo(down(b.mul(g, n)), t.x, t.w) : null;
  return [down(b.mul(t.k, b.sub(h, across))), dw];
}

export function inverseRoot(b: GradBuilder, square: Value, epsilon: number, like: Value): Value {
  return b.one('Reciprocal', [b.one('Sqrt', [b.add(square, b.scalar(epsilon, like))])]);
}

/** 1 / sqrt(mean(x^2) + eps), of half precision in float32: squares leave float16 from 256 on. */
export function inverseRms(b: GradBuilder, x: Value, axes: readonly number[], epsilon: number): Value {
  const wide = inFloat(b, x).up(x);
  return inverseRoot(b, b.reduceMean(b.mul(wide, wide), axes, true), epsilon, wide);
}

/** RMSNormalization (opset 23) and SimplifiedLayerNormalization: y = x k w, k = 1 / sqrt(mean(x^2) + eps). */
const rmsNormVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const rank = b.rank(x);
  const { axis, epsilon } = attributes(node, 'RMSNormalization');
  const axes = axesFrom(axisOf(axis, rank), rank);
  // k is computed again: some kernels write the mean where SimplifiedLayerNormalization has k, and RMSNormalization
  // has no such output
  return rms(b, { x, w, k: inverseRms(b, x, axes, epsilon), axes }, dy!, [0, 1]);
};

/** RMSNormalization: x / sqrt(mean(x^2) + epsilon) * scale over the dimensions from `axis` on. */
export const RMSNormalization = op({
  name: 'RMSNormalization',
  since: 23,
  traits: ['pure'],
  parameter: { input: 1, does: 'normalises, with a vector for a weight' },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, x?.shape ?? null);
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, epsilon } = attrsOf(node);
    return [
      affine(normalise(x, axisIn(node, axis, x.shape.length), epsilon, false).y, need(inputs, 1), null),
    ];
  },
  vjp: rmsNormVjp,
  cases: [{ inputs: ['float[2,3,4]', 'float[4]'], opset: 23, attrs: { epsilon: 0.01 } }],
});

/** SimplifiedLayerNormalization (ONNX Runtime, in the standard domain): as RMSNormalization, with 1/rms as second output. */
export const SimplifiedLayerNormalization = op({
  name: 'SimplifiedLayerNormalization',
  since: 1,
  traits: ['pure'],
  parameter: { input: 1, does: 'normalises, with a vector for a weight' },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { axis, stash_type } = attrs(node, ctx);
    const at = x?.shape ? axisIn(node, axis, x.shape.length) : 0;
    const kept = x?.shape?.map((dim, k) => (k < at ? dim : 1)) ?? null;
    return { types: [typeOf(x?.dtype, x?.shape ?? null), typeOf(x && dtypeFromOnnx(stash_type), kept)] };
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, epsilon } = attrsOf(node);
    const { y, inverse } = normalise(x, axisIn(node, axis, x.shape.length), epsilon, false);
    return [affine(y, need(inputs, 1), null), inverse];
  },
  vjp: rmsNormVjp,
  cases: [{ inputs: ['float[2,3,4]', 'float[4]'], attrs: { epsilon: 0.01 } }],
});
