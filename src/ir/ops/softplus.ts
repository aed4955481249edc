import { unary } from './families/unary.js';

/** Softplus: ln(1 + e^x). */
export const softplus = unary('Softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
