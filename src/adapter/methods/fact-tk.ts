import type { AdapterSpec } from '../description.js';

/** FacT in Tucker form (arXiv 2212.03145): one core tensor for all layers, of which each takes a combination. */
export const FACT_TK: AdapterSpec = {
  method: 'fact-tk',
  delta: 'ir,rsk,k,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'U', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'G', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'p', share: 'site', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'V', share: 'model', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
