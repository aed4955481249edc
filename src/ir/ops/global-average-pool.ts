import { globalPool } from './families/global-pool.js';
import { withGradient } from './gradients/attach.js';
import { globalAveragePoolVjp } from './gradients/placement.js';

/** GlobalAveragePool: the mean over all spatial dimensions. */
export const globalAveragePool = withGradient(
  globalPool('GlobalAveragePool', (v) => v.reduce((a, b) => a + b, 0) / v.length),
  globalAveragePoolVjp,
);
