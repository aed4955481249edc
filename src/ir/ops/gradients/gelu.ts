import { attrText } from '../../attr.js';
import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { swishRule } from './elementwise.js';
import { input, type Vjp } from './vjp.js';

/** y = x Phi(x): dx = dy (Phi(x) + x phi(x)) */
function exact(b: GradBuilder, dy: Value, x: Value, like: Value): Value {
  const phi = b.one('Erf', [b.mul(x, b.scalar(Math.SQRT1_2, like))]);
  const cdf = b.mul(b.add(phi, b.scalar(1, like)), b.scalar(0.5, like));
  const density = b.one('Exp', [b.mul(b.mul(x, x), b.scalar(-0.5, like))]);
  const pdf = b.mul(density, b.scalar(1 / Math.sqrt(2 * Math.PI), like));
  return b.mul(dy, b.add(cdf, b.mul(x, pdf)));
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

/** Gelu of opset 20, by its `approximate`; com.microsoft Gelu has none and is exact. */
export const geluVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const attr = node.attrs.get('approximate');
  const approximate = attr?.kind === 'string' && attrText(attr.value) === 'tanh';
  return [(approximate ? tanh : exact)(b, dy!, x, x)];
};

/** com.microsoft BiasGelu: exact gelu of x + bias. */
export const biasGeluVjp: Vjp = (b, node, [dy]) => withBias(b, node, dy!, exact);

/** com.microsoft FastGelu: tanh gelu of x (+ bias). */
export const fastGeluVjp: Vjp = (b, node, [dy]) => withBias(b, node, dy!, tanh);

function withBias(b: GradBuilder, node: Parameters<Vjp>[1], dy: Value, rule: typeof exact): ReturnType<Vjp> {
  const x = input(node, 0);
  const bias = node.inputs[1] ?? null;
  const dx = rule(b, dy, bias ? b.add(x, bias) : x, x);
  // elementwise: the engine sums the bias's gradient to its shape
  return [dx, bias ? dx : null];
}

/** com.microsoft QuickGelu: x sigmoid(alpha x). */
export const quickGeluVjp: Vjp = (b, node, [dy]) => {
  const attr = node.attrs.get('alpha');
  const alpha = attr?.kind === 'float' ? attr.value : 1.702;
  return [swishRule(b, dy!, input(node, 0), node.outputs[0]!, alpha)];
};

/** Swish of opset 24: x sigmoid(alpha x), alpha 1 by default. */
export const swishVjp: Vjp = (b, node, [dy]) => {
  const attr = node.attrs.get('alpha');
  const alpha = attr?.kind === 'float' ? attr.value : 1;
  return [swishRule(b, dy!, input(node, 0), node.outputs[0]!, alpha)];
};
