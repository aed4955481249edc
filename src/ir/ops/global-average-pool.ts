import { op } from './define.js';
import { globalPool } from './families/global-pool.js';
import { globalAveragePoolVjp } from './gradients/placement.js';

/** GlobalAveragePool: the mean over all spatial dimensions. */
export const GlobalAveragePool = op(
  globalPool('GlobalAveragePool', (v) => v.reduce((a, b) => a + b, 0) / v.length),
  { vjp: globalAveragePoolVjp },
);
