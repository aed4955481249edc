import type { AdapterSpec } from '../description.js';

/** DoRA (arXiv 2402.09353): LoRA for the directions of the columns, whose lengths are learned by themselves. */
export const DORA: AdapterSpec = {
  method: 'dora',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  wrap: 'column-norm',
  detachNorm: true,
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'm', share: 'site', init: 'weightNorm', mode: 'trainable', lrMultiplier: 1 },
  ],
};
