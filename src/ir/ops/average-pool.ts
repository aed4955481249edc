import { pool } from './families/pool.js';
import { withGradient } from './gradients/attach.js';
import { averagePoolVjp } from './gradients/pool.js';

/** AveragePool: the mean of each window. */
export const averagePool = withGradient(
  pool('AveragePool', ({ values, places }) => [values.reduce((a, b) => a + b, 0) / places]),
  averagePoolVjp,
);
