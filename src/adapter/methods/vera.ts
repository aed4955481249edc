import type { AdapterSpec } from '../description.js';

/** VeRA (arXiv 2310.11454): one random A and B for all layers, which each scales by two vectors of its own. */
export const VERA: AdapterSpec = {
  method: 'vera',
  delta: 'ir,r,ro,o->io',
  scale: 1,
  scaling: 'none',
  factors: [
    { name: 'A', share: 'model', init: { kaimingUniform: 0 }, mode: 'seeded', lrMultiplier: 1, slice: true },
    { name: 'd', share: 'site', init: { constant: 0.1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'model', init: { kaimingUniform: 0 }, mode: 'seeded', lrMultiplier: 1, slice: true },
    { name: 'b', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
