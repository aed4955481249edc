import type { AdapterSpec } from '../description.js';

/** ShareLoRA (arXiv 2406.10785) with A shared by a group. */
export const SHARELORA_A: AdapterSpec = {
  method: 'sharelora-a',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'group', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
