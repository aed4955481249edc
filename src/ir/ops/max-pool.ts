import { pool } from './families/pool.js';

/** MaxPool: the greatest element of each window (the reference gives no indices). */
export const maxPool = pool('MaxPool', (values) => Math.max(...values));
