import { op } from './define.js';
import { unary } from './families/unary.js';

/** Floor: the greatest integer <= x. */
export const Floor = op(unary('Floor', Math.floor), { stopsGradient: true });
