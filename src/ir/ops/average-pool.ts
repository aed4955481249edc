import { op } from './define.js';
import { pool } from './families/pool.js';
import { averagePoolVjp } from './gradients/pool.js';

/** AveragePool: the mean of each window. */
export const AveragePool = op(
  pool('AveragePool', ({ values, places }) => [values.reduce((a, b) => a + b, 0) / places]),
  { vjp: averagePoolVjp },
);
