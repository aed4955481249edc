import { unary } from './families/unary.js';

/** Sin: sin x. */
export const sin = unary('Sin', Math.sin, { since: 7 });
