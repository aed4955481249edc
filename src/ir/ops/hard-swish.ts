import { op } from './define.js';
import { unary } from './families/unary.js';
import { hardSwishVjp } from './gradients/activations.js';

/** HardSwish: x max(0, min(1, x/6 + 1/2)). */
export const HardSwish = op(
  unary('HardSwish', (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)), { since: 14 }),
  { vjp: hardSwishVjp },
);
