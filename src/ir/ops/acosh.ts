import { unary } from './families/unary.js';

/** Acosh: arcosh x. */
export const acosh = unary('Acosh', Math.acosh, { since: 9 });
