import { op } from './define.js';
import { unary } from './families/unary.js';
import { mishVjp } from './gradients/activations.js';

/** Mish: x tanh(ln(1 + e^x)). */
export const Mish = op(
  unary('Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(x))), { since: 18 }),
  { vjp: mishVjp },
);
