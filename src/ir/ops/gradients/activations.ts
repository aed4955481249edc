import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { attributes, input, unaryVjp, type Vjp } from './vjp.js';

/** dy where x > limit (0), elsewhere dy times `below` (null: nothing). The derivative at the limit is that from below. */
function hinge(b: GradBuilder, dy: Value, x: Value, below: Value | null, limit = 0): Value {
  const above = b.one('Greater', [x, b.scalar(limit, x)]);
  return b.one('Where', [above, dy, below ? b.mul(dy, below) : b.scalar(0, x)]);
}

/** y = alpha (e^x - 1) below 0: dx = dy (y + alpha) */
export const eluVjp: Vjp = (b, node, [dy]) => {
  const [x, y] = [input(node, 0), node.outputs[0]!];
  const { alpha } = attributes(node, 'Elu');
  return [hinge(b, dy!, x, b.add(y, b.scalar(alpha, y)))];
};

/** y = alpha (e^(x/alpha) - 1) below 0: dx = dy (y / alpha + 1) */
export const celuVjp: Vjp = (b, node, [dy]) => {
  const [x, y] = [input(node, 0), node.outputs[0]!];
  const { alpha } = attributes(node, 'Celu');
  return [hinge(b, dy!, x, b.add(b.mul(y, b.scalar(1 / alpha, y)), b.scalar(1, y)))];
};

/** y = gamma x above 0, gamma alpha (e^x - 1) below: dx = dy gamma, or dy (y + gamma alpha) */
export const seluVjp: Vjp = (b, node, [dy]) => {
  const [x, y] = [input(node, 0), node.outputs[0]!];
  const { alpha, gamma } = attributes(node, 'Selu');
  const below = b.mul(dy!, b.add(y, b.scalar(gamma * alpha, y)));
  const above = b.mul(dy!, b.scalar(gamma, y));
  return [b.one('Where', [b.one('Greater', [x, b.scalar(0, x)]), above, below])];
};

export const leakyReluVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  return [hinge(b, dy!, x, b.scalar(attributes(node, 'LeakyRelu').alpha, x))];
};

/** y = slope x below 0: dx = dy slope there, dslope = dy x there */
export const preluVjp: Vjp = (b, node, [dy]) => {
  const [x, slope] = [input(node, 0), input(node, 1)];
  const zero = b.scalar(0, x);
  const below = b.one('Less', [x, zero]);
  return [
    b.wants(0) ? b.one('Where', [below, b.mul(dy!, slope), dy!]) : null,
    b.wants(1) ? b.one('Where', [below, b.mul(dy!, x), zero]) : null,
  ];
};

export const thresholdedReluVjp: Vjp = (b, node, [dy]) => [
  hinge(b, dy!, input(node, 0), null, attributes(node, 'ThresholdedRelu').alpha),
];

/** The gate max(0, min(1, alpha x + beta)) and where it is neither 0 nor 1. */
function gate(b: GradBuilder, x: Value, alpha: number, beta: number): { line: Value; open: Value } {
  const line = b.add(b.mul(x, b.scalar(alpha, x)), b.scalar(beta, x));
  const open = b.one('And', [
    b.one('Greater', [line, b.scalar(0, x)]),
    b.one('Less', [line, b.scalar(1, x)]),
  ]);
  return { line, open };
}

/** dx = alpha dy where 0 < alpha x + beta < 1 */
export const hardSigmoidVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const { alpha, beta } = attributes(node, 'HardSigmoid');
  const { open } = gate(b, x, alpha, beta);
  return [b.one('Where', [open, b.mul(dy!, b.scalar(alpha, x)), b.scalar(0, x)])];
};

/** y = x g, g = max(0, min(1, x/6 + 1/2)): dx = dy (x/3 + 1/2) where 0 < g < 1, dy above, 0 below */
export const hardSwishVjp = unaryVjp((b, dy, x) => {
  const { open, line } = gate(b, x, 1 / 6, 0.5);
  const slope = b.add(b.mul(x, b.scalar(1 / 3, x)), b.scalar(0.5, x));
  const outside = b.one('Where', [b.one('Less', [line, b.scalar(0.5, x)]), b.scalar(0, x), dy]);
  return b.one('Where', [open, b.mul(dy, slope), outside]);
});

/** y = x tanh(softplus x): dx = dy (t + x (1 - t^2) sigmoid x) */
export const mishVjp = unaryVjp((b, dy, x) => {
  const t = b.one('Tanh', [b.one('Softplus', [x])]);
  const slope = b.mul(b.sub(b.scalar(1, x), b.mul(t, t)), b.one('Sigmoid', [x]));
  return b.mul(dy, b.add(t, b.mul(x, slope)));
});

/** dx = dy sigmoid x */
export const softplusVjp = unaryVjp((b, dy, x) => b.mul(dy, b.one('Sigmoid', [x])));

/** y = x / (1 + |x|): dx = dy / (1 + |x|)^2 */
export const softsignVjp = unaryVjp((b, dy, x) => {
  const root = b.add(b.one('Abs', [x]), b.scalar(1, x));
  return b.div(dy, b.mul(root, root));
});
