import type { Value } from '../model.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { binary, unary, unaryWith } from './core/elementwise.js';
import { attributes, input, keepWhere, unaryVjp } from './core/gradient.js';
import { nd, zip } from './core/nd.js';
import { likeFirst, need } from './core/rules.js';

/** Activation functions but for those of the GELU family. */

/** Relu: max(0, x). */
export const Relu = op(
  unary('Relu', (x) => Math.max(0, x)),
  {
    /** dx = dy where x > 0, else 0; the derivative at 0 is taken as 0, as PyTorch does */
    vjp: unaryVjp((b, dy, x) => keepWhere(b, b.one('Greater', [x, b.scalar(0, x)]), dy, x)),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** dy where x > limit (0), elsewhere dy times `below` (null: nothing). The derivative at the limit is that from below. */
function hinge(b: GradBuilder, dy: Value, x: Value, below: Value | null, limit = 0): Value {
  const above = b.one('Greater', [x, b.scalar(limit, x)]);
  return b.one('Where', [above, dy, below ? b.mul(dy, below) : b.scalar(0, x)]);
}

/** LeakyRelu: x, or alpha x below 0. */
export const LeakyRelu = op(
  unaryWith('LeakyRelu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x < 0 ? alpha * x : x);
  }),
  {
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      return [hinge(b, dy!, x, b.scalar(attributes(node, 'LeakyRelu').alpha, x))];
    },
    cases: [{ inputs: ['float[2,3]'], attrs: { alpha: 0.2 } }],
  },
);

const prelu1 = (x: number, slope: number): number => (x < 0 ? slope * x : x);

/** PRelu: x, or slope x below 0. The slope broadcasts to x; before version 7 it is one number or one per channel. */
export const PRelu = [
  ...op(binary('PRelu', prelu1, { since: 7 }), {
    /** y = slope x below 0: dx = dy slope there, dslope = dy x there */
    vjp: (b, node, [dy]) => {
      const [x, slope] = [input(node, 0), input(node, 1)];
      const zero = b.scalar(0, x);
      const below = b.one('Less', [x, zero]);
      return [
        b.wants(0) ? b.one('Where', [below, b.mul(dy!, slope), dy!]) : null,
        b.wants(1) ? b.one('Where', [below, b.mul(dy!, x), zero]) : null,
      ];
    },
    cases: [{ inputs: ['float[2,3,4]', 'float[3,1]'] }],
  }),
  op({
    name: 'PRelu',
    since: 1,
    until: 6,
    traits: ['pure', 'elementwise'],
    infer: likeFirst(),
    value: (_, inputs): NdArray[] => {
      const [x, slope] = [need(inputs, 0), need(inputs, 1)];
      const ones = new Array<number>(Math.max(0, x.shape.length - 2)).fill(1);
      const laid =
        slope.data.length === 1 ? nd([], slope.data) : nd([slope.data.length, ...ones], slope.data);
      return [zip([x, laid], (v, s) => prelu1(v!, s!))];
    },
  }),
];

/** Elu: x, or alpha (e^x - 1) below 0. */
export const Elu = op(
  unaryWith('Elu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  }),
  {
    /** y = alpha (e^x - 1) below 0: dx = dy (y + alpha) */
    vjp: (b, node, [dy]) => {
      const [x, y] = [input(node, 0), node.outputs[0]!];
      const { alpha } = attributes(node, 'Elu');
      return [hinge(b, dy!, x, b.add(y, b.scalar(alpha, y)))];
    },
    cases: [{ inputs: ['float[2,3]'], attrs: { alpha: 0.7 } }],
  },
);

/** Celu: max(0, x) + min(0, alpha (e^(x/alpha) - 1)). */
export const Celu = op(
  unaryWith('Celu', 12, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
  }),
  {
    /** y = alpha (e^(x/alpha) - 1) below 0: dx = dy (y / alpha + 1) */
    vjp: (b, node, [dy]) => {
      const [x, y] = [input(node, 0), node.outputs[0]!];
      const { alpha } = attributes(node, 'Celu');
      return [hinge(b, dy!, x, b.add(b.mul(y, b.scalar(1 / alpha, y)), b.scalar(1, y)))];
    },
    cases: [{ inputs: ['float[2,3]'], attrs: { alpha: 1.7 } }],
  },
);

/** Selu: gamma x, or gamma alpha (e^x - 1) below 0. */
export const Selu = op(
  unaryWith('Selu', 1, (node) => {
    const { alpha, gamma } = attrsOf(node);
    return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
  }),
  {
    /** y = gamma x above 0, gamma alpha (e^x - 1) below: dx = dy gamma, or dy (y + gamma alpha) */
    vjp: (b, node, [dy]) => {
      const [x, y] = [input(node, 0), node.outputs[0]!];
      const { alpha, gamma } = attributes(node, 'Selu');
      const below = b.mul(dy!, b.add(y, b.scalar(gamma * alpha, y)));
      const above = b.mul(dy!, b.scalar(gamma, y));
      return [b.one('Where', [b.one('Greater', [x, b.scalar(0, x)]), above, below])];
    },
    cases: [{ inputs: ['float[2,3]'] }],
  },
);

/** ThresholdedRelu: x above alpha, else 0. */
export const ThresholdedRelu = op(
  unaryWith('ThresholdedRelu', 10, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x > alpha ? x : 0);
  }),
  {
    vjp: (b, node, [dy]) => [hinge(b, dy!, input(node, 0), null, attributes(node, 'ThresholdedRelu').alpha)],
    cases: [{ inputs: ['float[2,3]'], attrs: { alpha: 0.2 } }],
  },
);

/** Sigmoid: 1 / (1 + e^-x). */
export const Sigmoid = op(
  unary('Sigmoid', (x) => 1 / (1 + Math.exp(-x))),
  {
    /** y = sigmoid x: dx = dy y (1 - y) */
    vjp: unaryVjp((b, dy, _x, y) => b.mul(dy, b.mul(y, b.sub(b.scalar(1, y), y)))),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** The gate max(0, min(1, alpha x + beta)) and where it is neither 0 nor 1. */
function gate(b: GradBuilder, x: Value, alpha: number, beta: number): { line: Value; open: Value } {
  const line = b.add(b.mul(x, b.scalar(alpha, x)), b.scalar(beta, x));
  const open = b.one('And', [
    b.one('Greater', [line, b.scalar(0, x)]),
    b.one('Less', [line, b.scalar(1, x)]),
  ]);
  return { line, open };
}

/** HardSigmoid: max(0, min(1, alpha x + beta)). */
export const HardSigmoid = op(
  unaryWith('HardSigmoid', 1, (node) => {
    const { alpha, beta } = attrsOf(node);
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  }),
  {
    /** dx = alpha dy where 0 < alpha x + beta < 1 */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const { alpha, beta } = attributes(node, 'HardSigmoid');
      const { open } = gate(b, x, alpha, beta);
      return [b.one('Where', [open, b.mul(dy!, b.scalar(alpha, x)), b.scalar(0, x)])];
    },
    cases: [{ inputs: ['float[2,3]'], attrs: { alpha: 0.4, beta: 0.3 } }],
  },
);

/** HardSwish: x max(0, min(1, x/6 + 1/2)). */
export const HardSwish = op(
  unary('HardSwish', (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)), { since: 14 }),
  {
    /** y = x g, g = max(0, min(1, x/6 + 1/2)): dx = dy (x/3 + 1/2) where 0 < g < 1, dy above, 0 below */
    vjp: unaryVjp((b, dy, x) => {
      const { open, line } = gate(b, x, 1 / 6, 0.5);
      const slope = b.add(b.mul(x, b.scalar(1 / 3, x)), b.scalar(0.5, x));
      const outside = b.one('Where', [b.one('Less', [line, b.scalar(0.5, x)]), b.scalar(0, x), dy]);
      return b.one('Where', [open, b.mul(dy, slope), outside]);
    }),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** Tanh: tanh x. */
export const Tanh = op(unary('Tanh', Math.tanh), {
  /** y = tanh x: dx = dy (1 - y^2) */
  vjp: unaryVjp((b, dy, _x, y) => b.mul(dy, b.sub(b.scalar(1, y), b.mul(y, y)))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Softplus: ln(1 + e^x). */
export const Softplus = op(
  unary('Softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  {
    /** dx = dy sigmoid x */
    vjp: unaryVjp((b, dy, x) => b.mul(dy, b.one('Sigmoid', [x]))),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** Softsign: x / (1 + |x|). */
export const Softsign = op(
  unary('Softsign', (x) => x / (1 + Math.abs(x))),
  {
    /** y = x / (1 + |x|): dx = dy / (1 + |x|)^2 */
    vjp: unaryVjp((b, dy, x) => {
      const root = b.add(b.one('Abs', [x]), b.scalar(1, x));
      return b.div(dy, b.mul(root, root));
    }),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);

/** Mish: x tanh(ln(1 + e^x)). */
export const Mish = op(
  unary('Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(x))), { since: 18 }),
  {
    /** y = x tanh(softplus x): dx = dy (t + x (1 - t^2) sigmoid x) */
    vjp: unaryVjp((b, dy, x) => {
      const t = b.one('Tanh', [b.one('Softplus', [x])]);
      const slope = b.mul(b.sub(b.scalar(1, x), b.mul(t, t)), b.one('Sigmoid', [x]));
      return b.mul(dy, b.add(t, b.mul(x, slope)));
    }),
    cases: [{ inputs: ['float[2,5]'] }],
  },
);
