import { unary } from './families/unary.js';

/** Mish: x tanh(ln(1 + e^x)). */
export const mish = unary('Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(x))), { since: 18 });
