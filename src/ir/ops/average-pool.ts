import { pool } from './families/pool.js';

/** AveragePool: the mean of each window. */
export const averagePool = pool(
  'AveragePool',
  (values, places) => values.reduce((a, b) => a + b, 0) / places,
);
