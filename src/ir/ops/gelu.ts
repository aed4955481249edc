import { attrText } from '../attr.js';
import type { Value } from '../model.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, type OpDef, op } from './core/define.js';
import { unary, unaryWith } from './core/elementwise.js';
import { attributes, input, type Vjp } from './core/gradient.js';
import { erf, map, zip } from './core/nd.js';
import { likeFirst, need } from './core/rules.js';

/** GELU in its exact and approximate forms, Swish, and their fusions with a bias. */

/** x Phi(x) = x/2 (1 + erf(x / sqrt 2)). */
function geluErf(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** y = x (1 + tanh u) / 2, u = sqrt(2/pi) (x + 0.044715 x^3) */
function tanh(b: GradBuilder, dy: Value, x: Value, like: Value): Value {
  const c = Math.sqrt(2 / Math.PI);
  const square = b.mul(x, x);
  const u = b.mul(x, b.add(b.mul(square, b.scalar(c * 0.044715, like)), b.scalar(c, like)));
  const t = b.one('Tanh', [u]);
  const du = b.add(b.mul(square, b.scalar(3 * c * 0.044715, like)), b.scalar(c, like));
  const slope = b.mul(b.mul(x, du), b.sub(b.scalar(1, like), b.mul(t, t)));
  return b.mul(dy, b.mul(b.add(b.add(t, b.scalar(1, like)), slope), b.scalar(0.5, like)));
}

/**
 * y = x Phi(x): dx = dy (Phi(x) + x phi(x)) = dy/2 (1 + erf u + 2 / sqrt(2 pi) x e^-uu), u = x / sqrt 2. Each operator is a pass over the
 * widest activations. Dividing by e^uu saves one; where it is infinite the quotient is 0, as in the limit. In half precision
 * that would be from |x| = 4.7 on. Half of dy costs nothing after a Gemm (`foldScales`).
 */
function exact(b: GradBuilder, dy: Value, x: Value, like: Value): Value {
  const u = b.mul(x, b.scalar(Math.SQRT1_2, like));
  const falling = b.isHalf(like)
    ? b.mul(x, b.one('Exp', [b.mul(b.mul(x, x), b.scalar(-0.5, like))]))
    : b.div(x, b.one('Exp', [b.mul(u, u)]));
  const slope = b.mul(falling, b.scalar(2 / Math.sqrt(2 * Math.PI), like));
  const twice = b.add(b.one('Erf', [u]), b.scalar(1, like));
  return b.mul(b.mul(dy, b.scalar(0.5, like)), b.add(twice, slope));
}

/** Gelu of opset 20, by its `approximate`; com.microsoft Gelu has none and is exact. */
const geluVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const attr = node.attrs.get('approximate');
  const approximate = attr?.kind === 'string' && attrText(attr.value) === 'tanh';
  return [(approximate ? tanh : exact)(b, dy!, x, x)];
};

/** Gelu: x Phi(x), or with approximate="tanh" the tanh form. */
export const Gelu = op(
  unaryWith('Gelu', 20, (node) => (attrsOf(node).approximate === 'tanh' ? geluTanh : geluErf)),
  {
    vjp: geluVjp,
    cases: [{ inputs: ['float[2,3]'] }, { inputs: ['float[2,3]'], attrs: { approximate: 'tanh' } }],
  },
);

/** y = x sigmoid(alpha x) (com.microsoft QuickGelu; Swish of opset 24): dx = dy (s + alpha y (1 - s)) */
function swishRule(b: GradBuilder, dy: Value, x: Value, y: Value, alpha: number): Value {
  const s = b.one('Sigmoid', [alpha === 1 ? x : b.mul(x, b.scalar(alpha, x))]);
  const slope = b.mul(y, b.sub(b.scalar(1, x), s));
  return b.mul(dy, b.add(s, alpha === 1 ? slope : b.mul(slope, b.scalar(alpha, x))));
}

/** x sigmoid(alpha x), with the attribute alpha or its default. */
function swishOf<const Op extends 'Swish' | 'com.microsoft::QuickGelu'>(
  name: Op,
  since: number,
  cases: OpDef<Op>['cases'],
): OpDef<Op> {
  return op(
    unaryWith(name, since, (node) => {
      const { alpha } = attrsOf(node);
      return (x) => x / (1 + Math.exp(-alpha * x));
    }),
    {
      vjp: (b, node, [dy]) => [
        swishRule(b, dy!, input(node, 0), node.outputs[0]!, attributes(node, name).alpha),
      ],
      ...(cases ? { cases } : {}),
    },
  );
}

/** Swish: x sigmoid(alpha x), alpha 1 by default. */
export const Swish = swishOf('Swish', 24, [{ inputs: ['float[3,5]'], attrs: { alpha: 0.75 } }]);

/** com.microsoft Gelu: x Phi(x). */
export const MsGelu = op(unary('com.microsoft::Gelu', geluErf), {
  vjp: geluVjp,
  cases: [{ inputs: ['float[2,3]'] }],
});

function withBias(b: GradBuilder, node: Parameters<Vjp>[1], dy: Value, rule: typeof exact): ReturnType<Vjp> {
  const x = input(node, 0);
  const bias = node.inputs[1] ?? null;
  const dx = rule(b, dy, bias ? b.add(x, bias) : x, x);
  // elementwise: the engine sums the bias's gradient to its shape
  return [dx, bias ? dx : null];
}

/** com.microsoft BiasGelu: Gelu of a + b, where b is a bias over the last dimension. */
export const MsBiasGelu = op({
  name: 'com.microsoft::BiasGelu',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'elementwise'],
  infer: likeFirst(),
  value: (_, inputs): NdArray[] => [
    map(
      zip([need(inputs, 0), need(inputs, 1)], (a, b) => a! + b!),
      geluErf,
    ),
  ],

  /** com.microsoft BiasGelu: exact gelu of x + bias. */
  vjp: (b, node, [dy]) => withBias(b, node, dy!, exact),
  cases: [{ inputs: ['float[2,3]', 'float[3]'] }],
});

/** com.microsoft FastGelu: the tanh form of Gelu of x + bias. */
export const MsFastGelu = op({
  name: 'com.microsoft::FastGelu',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'elementwise'],
  infer: likeFirst(),
  value: (_, inputs): NdArray[] => {
    const x = need(inputs, 0);
    return [map(inputs[1] ? zip([x, inputs[1]], (a, b) => a! + b!) : x, geluTanh)];
  },

  /** com.microsoft FastGelu: tanh gelu of x (+ bias). */
  vjp: (b, node, [dy]) => withBias(b, node, dy!, tanh),
  cases: [{ inputs: ['float[2,3]', 'float[3]'], tolerance: 0.0001 }],
});

/** com.microsoft QuickGelu: x sigmoid(alpha x), alpha 1.702 by default. */
export const MsQuickGelu = swishOf('com.microsoft::QuickGelu', 1, [{ inputs: ['float[2,3]'] }]);
