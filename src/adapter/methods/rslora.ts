import type { AdapterSpec } from '../description.js';

/** rsLoRA (arXiv 2312.03732): LoRA whose scale falls with the square root of the rank. */
export const RSLORA: AdapterSpec = {
  method: 'rslora',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'sqrt-rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
