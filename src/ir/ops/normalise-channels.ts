import { attrInt } from '../attr.js';
import type { Value } from '../model.js';
import { f32Tensor } from '../tensor.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { attributes, axisOf, type Grads, input, type Vjp } from './core/gradient.js';
import { alongAxis, nd, reshape, zip } from './core/nd.js';
import { axisIn, likeFirst, need, rule, tensorAt, typeOf } from './core/rules.js';
import { affine, normalise } from './normalise.js';

/** Normalisation per channel or group of channels, and to norm 1. */

/** x with (batch, channels, spatial...) parameters per channel. */
function perChannel(parameter: NdArray, rank: number): NdArray {
  return reshape(parameter, [...parameter.shape, ...new Array<number>(Math.max(0, rank - 2)).fill(1)]);
}

function fromTo(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** [dw, dc], as far as they are wanted, from inputs 1 and 2 */
function summedPerChannel(
  b: GradBuilder,
  g: Value,
  n: Value,
  axes: readonly number[],
  down: (value: Value) => Value,
): Grads {
  return [
    b.wants(1) ? down(b.reduceSum(b.mul(g, n), axes, false)) : null,
    b.wants(2) ? down(b.reduceSum(g, axes, false)) : null,
  ];
}

/** BatchNormalization with stored statistics: (x - mean) / sqrt(var + epsilon) * scale + bias per channel. */
export const BatchNormalization = op({
  name: 'BatchNormalization',
  since: 1,
  traits: ['pure'],
  parameter: { input: 1, does: 'normalises, with a vector for a weight' },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const channels = [x?.shape?.[1] ?? tensorAt(ctx, 1)?.shape?.[0] ?? null];
    return { types: node.outputs.map((_, k) => typeOf(x?.dtype, k === 0 ? (x?.shape ?? null) : channels)) };
  }),
  value: (node, inputs): NdArray[] => {
    const { epsilon, training_mode } = attrsOf(node);
    if (training_mode) throw new Error('BatchNormalization in training mode has no reference');
    const x = need(inputs, 0);
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map((k) =>
      perChannel(need(inputs, k), x.shape.length),
    );
    return [
      zip(
        [x, scale!, bias!, mean!, variance!],
        (v, s, b, m, q) => ((v! - m!) / Math.sqrt(q! + epsilon)) * s! + b!,
      ),
    ];
  },

  /** BatchNormalization with stored statistics: dx = dy w / sqrt(var + eps). The statistics are not trained. */
  vjp: (b, node, [dy]) => {
    const { epsilon, training_mode } = attributes(node, 'BatchNormalization');
    if (training_mode || node.outputs.slice(1).some(({ name }) => name !== '')) {
      return { because: 'it is in training mode, with the statistics of the batch', at: node };
    }
    if (b.wants(3) || b.wants(4)) return { because: 'its statistics depend on what is trained', at: node };
    const x = input(node, 0);
    const rank = b.rank(x);
    const laid = (value: Value): Value => b.reshape(value, b.ints([1, -1, ...fromTo(2, rank).map(() => 1)]));
    const k = b.one('Reciprocal', [b.one('Sqrt', [b.add(laid(input(node, 4)), b.scalar(epsilon, x))])]);
    const n = b.wants(1) ? b.mul(b.sub(x, laid(input(node, 3))), k) : null;
    const dx = b.wants(0) ? b.mul(dy!, b.mul(laid(input(node, 1)), k)) : null;
    const [dw, dc] = n
      ? summedPerChannel(b, dy!, n, [0, ...fromTo(2, rank)], (value) => value)
      : [null, null];
    return [
      dx,
      dw!,
      b.wants(2) ? (dc ?? b.reduceSum(dy!, [0, ...fromTo(2, rank)], false)) : null,
      null,
      null,
    ];
  },
  cases: [{ inputs: ['float[2,3,4]', 'float[3]', 'float[3]', 'const float[3]', 'const float[3] > 0'] }],
});

interface Precision {
  up(value: Value): Value;
  down(value: Value): Value;
  /** a constant of the type that is computed in */
  scalar(value: number): Value;
}

/** Half-precision models compute these rules in float32. */
function inFloat32(b: GradBuilder, like: Value): Precision {
  if (!b.isHalf(like)) {
    return { up: (value) => value, down: (value) => value, scalar: (value) => b.scalar(value, like) };
  }
  return {
    scalar: (value) => b.constant(f32Tensor([], [value]), 'grad/epsilon'),
    up: (value) => b.one('Cast', [value], { to: attrInt(1) }),
    down: (value) => b.one('Cast', [value], { to: attrInt(b.onnxType(like)) }),
  };
}

/** n = (x - mean) k with k the inverse deviation over the axes. */
function normalised(
  b: GradBuilder,
  x: Value,
  axes: readonly number[],
  epsilon: Value,
): { n: Value; k: Value } {
  const deviation = b.sub(x, b.reduceMean(x, axes, true));
  const variance = b.reduceMean(b.mul(deviation, deviation), axes, true);
  const k = b.one('Reciprocal', [b.one('Sqrt', [b.add(variance, epsilon)])]);
  return { n: b.mul(deviation, k), k };
}

/** k (h - mean(h) - n mean(h n)) */
function through(b: GradBuilder, h: Value, n: Value, k: Value, axes: readonly number[]): Value {
  const along = b.sub(h, b.reduceMean(h, axes, true));
  return b.mul(k, b.sub(along, b.mul(n, b.reduceMean(b.mul(h, n), axes, true))));
}

/** InstanceNormalization: over the spatial dimensions of each channel of each instance, then scale and bias per channel. */
export const InstanceNormalization = op({
  name: 'InstanceNormalization',
  since: 1,
  traits: ['pure'],
  parameter: { input: 1, does: 'normalises, with a vector for a weight' },
  infer: likeFirst(),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const [scale, bias] = [1, 2].map((k) => perChannel(need(inputs, k), x.shape.length));
    return [affine(normalise(x, 2, attrsOf(node).epsilon, true).y, scale!, bias)];
  },

  /**
   * InstanceNormalization: each channel of each instance over its spatial axes, y = (x - mean) k w + c with w and c per
   * channel. With h = dy w and n = (x - mean) k: dx = k (h - mean(h) - n mean(h n)), dw = sum(dy n), dc = sum(dy).
   */
  vjp: (b, node, [dy]) => {
    const x = input(node, 0);
    const rank = b.rank(x);
    const spatial = fromTo(2, rank);
    const { up, down, scalar } = inFloat32(b, x);
    const laid = (value: Value): Value => b.reshape(value, b.ints([1, -1, ...spatial.map(() => 1)]));
    const { n, k } = normalised(b, up(x), spatial, scalar(attributes(node, 'InstanceNormalization').epsilon));
    const g = up(dy!);
    const dx = through(b, b.mul(g, laid(up(input(node, 1)))), n, k, spatial);
    return [down(dx), ...summedPerChannel(b, g, n, [0, ...spatial], down)];
  },
  cases: [{ inputs: ['float[2,3,4,2]', 'float[3]', 'float[3]'] }],
});

/**
 * GroupNormalization: as instance normalisation over groups of channels. Scale and bias are per channel from operator set
 * 21 on, per group before.
 */
const groupNormVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const rank = b.rank(x);
  const { epsilon, num_groups } = attributes(node, 'GroupNormalization');
  const { up, down, scalar } = inFloat32(b, x);
  const grouped = (value: Value): Value => b.reshape(value, b.ints([0, num_groups, -1]));
  const { n, k } = normalised(b, grouped(up(x)), [2], scalar(epsilon));
  const g = up(dy!);
  const w = up(input(node, 1));
  if (b.opset < 21) {
    const inGroups = grouped(g);
    const h = b.mul(inGroups, b.reshape(w, b.ints([1, -1, 1])));
    const dx = b.reshapeLike(through(b, h, n, k, [2]), x);
    return [down(dx), ...summedPerChannel(b, inGroups, n, [0, 2], down)];
  }
  const spatial = fromTo(2, rank);
  const h = b.mul(g, b.reshape(w, b.ints([1, -1, ...spatial.map(() => 1)])));
  const dx = b.reshapeLike(through(b, grouped(h), n, k, [2]), x);
  return [down(dx), ...summedPerChannel(b, g, b.reshapeLike(n, x), [0, ...spatial], down)];
};

/** GroupNormalization: over groups of channels; scale and bias are per group before version 21, per channel after. */
export const GroupNormalization = op({
  name: 'GroupNormalization',
  since: 18,
  traits: ['pure'],
  infer: likeFirst(),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { epsilon, num_groups } = attrsOf(node);
    const channels = x.shape[1]!;
    const grouped = reshape(x, [x.shape[0]!, num_groups, x.data.length / (x.shape[0]! * num_groups)]);
    const y = reshape(normalise(grouped, 2, epsilon, true).y, x.shape);
    const spread = (p: NdArray): NdArray =>
      perChannel(
        nd(
          [channels],
          Array.from({ length: channels }, (_, c) => p.data[Math.floor((c * p.data.length) / channels)]!),
        ),
        x.shape.length,
      );
    return [affine(y, spread(need(inputs, 1)), spread(need(inputs, 2)))];
  },
  vjp: groupNormVjp,
  cases: [{ inputs: ['float[2,4,3]', 'float[4]', 'float[4]'], attrs: { num_groups: 2 } }],
});

/** LpNormalization: each line along `axis` divided by its 1- or 2-norm. */
export const LpNormalization = op({
  name: 'LpNormalization',
  since: 1,
  traits: ['pure'],
  infer: likeFirst(),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, p } = attrsOf(node);
    return [
      alongAxis(x, axisIn(node, axis, x.shape.length), (line) => {
        const norm = line.reduce((a, v) => a + Math.abs(v) ** p, 0) ** (1 / p);
        return line.map((v) => (norm === 0 ? 0 : v / norm));
      }),
    ];
  },

  /** LpNormalization y = x / |x|: dx = (dy - y sum(dy y)) / |x| for p = 2, (dy - sign(x) sum(dy y)) / |x| for p = 1; 0 for x = 0. */
  vjp: (b, node, [dy]) => {
    const [x, y] = [input(node, 0), node.outputs[0]!];
    const { axis, p } = attributes(node, 'LpNormalization');
    const axes = [axisOf(axis, b.rank(x))];
    const zero = b.scalar(0, x);
    const magnitude = b.one('Abs', [x]);
    const size =
      p === 1 ? b.reduceSum(magnitude, axes, true) : b.one('Sqrt', [b.reduceSum(b.mul(x, x), axes, true)]);
    const isZero = b.one('Equal', [size, zero]);
    const safe = b.one('Where', [isZero, b.scalar(1, x), size]);
    const slope =
      p === 1 ? b.div(x, b.one('Where', [b.one('Equal', [magnitude, zero]), b.scalar(1, x), magnitude])) : y;
    const along = b.reduceSum(b.mul(dy!, y), axes, true);
    const dx = b.div(b.sub(dy!, b.mul(slope, along)), safe);
    return [b.one('Where', [isZero, zero, dx])];
  },
  cases: [{ inputs: ['float[2,5]'], attrs: { axis: -1, p: 2 } }],
});
