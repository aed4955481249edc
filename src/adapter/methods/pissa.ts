import type { AdapterSpec } from '../description.js';

/** PiSSA (arXiv 2404.02948): LoRA that starts as the leading part of the weight, which the base then lacks. */
export const PISSA: AdapterSpec = {
  method: 'pissa',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { svd: 'in', power: 0.5 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: { svd: 'out', power: 0.5 }, mode: 'trainable', lrMultiplier: 1 },
  ],
};
