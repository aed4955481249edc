import type { AdapterSpec } from '../description.js';

/** LoTR with the authors' default initialisation: R, L ~ N(0,1), M = 0. */
export const LOTR: AdapterSpec = {
  method: 'lotr',
  delta: 'ir,rs,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'R', share: 'group', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'M', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'L', share: 'group', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
  ],
};
