import { op } from './define.js';
import { pool } from './families/pool.js';
import { maxPoolVjp } from './gradients/pool.js';

/** MaxPool: the greatest element of each window, and where it lies in the flattened input; the first of equal ones. */
export const MaxPool = op(
  pool('MaxPool', ({ values, offsets }) => {
    const greatest = Math.max(...values);
    return [greatest, offsets[values.indexOf(greatest)]!];
  }),
  { vjp: maxPoolVjp },
);
