import type { AdapterSpec } from '../description.js';

/** LoKr (arXiv 2309.14859): the Kronecker product of a small matrix and a low-rank one. */
export const LOKR: AdapterSpec = {
  method: 'lokr',
  delta: 'ab,cr,rd->(ac)(bd)',
  scale: 1,
  scaling: 'rank',
  extents: { a: 'sqrt', b: 'sqrt' },
  factors: [
    { name: 'C', share: 'site', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
