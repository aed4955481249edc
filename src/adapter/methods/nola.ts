import type { AdapterSpec } from '../description.js';

/** NOLA (arXiv 2310.02556): A and B of each layer are combinations of random matrices that all layers share. */
export const NOLA: AdapterSpec = {
  method: 'nola',
  delta: 'k,kir,l,lro->io',
  scale: 1,
  scaling: 'rank',
  extents: { k: 64, l: 64 },
  factors: [
    { name: 'a', share: 'site', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'A', share: 'model', init: { fanIn: 1 }, mode: 'seeded', lrMultiplier: 1, slice: true },
    { name: 'b', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'model', init: { fanIn: 1 }, mode: 'seeded', lrMultiplier: 1, slice: true },
  ],
};
