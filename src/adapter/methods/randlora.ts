import type { AdapterSpec, FactorSpec } from '../description.js';

const basis = (name: string): FactorSpec => ({
  name,
  share: 'model',
  init: { uniform: Math.sqrt(3) },
  mode: 'seeded',
  lrMultiplier: 1,
  slice: true,
});

const d: FactorSpec = { name: 'd', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 };

/** Gains on the narrower side of the layer. */
const gains = (over: string): FactorSpec => ({
  name: 'g',
  share: 'site',
  init: { constant: 1, over },
  mode: 'trainable',
  lrMultiplier: 1,
});

/**
 * RandLoRA (arXiv 2502.00987): so many random matrices of low rank, scaled on both sides by numbers of the layer, that their sum may
 * have any rank. What all of them have in common is on the narrower side.
 */
export const RANDLORA: AdapterSpec = {
  method: 'randlora',
  delta: 'ri,rj,ji,jro->io',
  scale: 1,
  scaling: 'none',
  extents: { j: 'cover' },
  factors: [basis('A'), d, gains('i'), basis('B')],
  tall: { delta: 'ijr,rj,jo,ro->io', factors: [basis('B'), d, gains('o'), basis('A')] },
};
