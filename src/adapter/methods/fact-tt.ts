import type { AdapterSpec } from '../description.js';

/** FacT in tensor-train form (arXiv 2212.03145): U and V of all layers, a core of each. */
export const FACT_TT: AdapterSpec = {
  method: 'fact-tt',
  delta: 'ir,rs,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'U', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'C', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'V', share: 'model', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
