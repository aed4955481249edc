import type { AdapterSpec } from '../description.js';

/** Tied-LoRA (arXiv 2311.09578): A and B of a group, which each layer scales by two vectors of its own. */
export const TIED_LORA: AdapterSpec = {
  method: 'tied-lora',
  delta: 'ir,r,ro,o->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'group', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'u', share: 'site', init: 'ones', mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'group', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'v', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
