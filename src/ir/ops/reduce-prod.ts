import { productOf } from './dims.js';
import { reduction } from './families/reduce.js';

/** ReduceProd: the product along the axes. */
export const ReduceProd = reduction('ReduceProd', (v) => v.reduce((a, x) => a * x, 1), { ints: productOf });
