import type { AdapterSpec } from '../description.js';

/** RandLoRA (arXiv 2502.00987) without its gains: a sum of random matrices of low rank, each scaled by a vector of the layer. */
export const RANDLORA_SIMPLE: AdapterSpec = {
  method: 'randlora-simple',
  delta: 'jir,jr,jro->io',
  scale: 1,
  scaling: 'rank',
  extents: { j: 4 },
  factors: [
    { name: 'A', share: 'model', init: { kaimingUniform: 1 }, mode: 'seeded', lrMultiplier: 1, slice: true },
    { name: 'd', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'model', init: { kaimingUniform: 1 }, mode: 'seeded', lrMultiplier: 1, slice: true },
  ],
};
