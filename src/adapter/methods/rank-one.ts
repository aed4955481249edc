import type { AdapterSpec } from '../description.js';

/** One column times one row. */
export const RANK_ONE: AdapterSpec = {
  method: 'rank-one',
  delta: 'i,o->io',
  scale: 1,
  scaling: 'none',
  factors: [
    { name: 'u', share: 'site', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'v', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
