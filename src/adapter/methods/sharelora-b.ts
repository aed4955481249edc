import type { AdapterSpec } from '../description.js';

/** ShareLoRA (arXiv 2406.10785) with B shared by a group. */
export const SHARELORA_B: AdapterSpec = {
  method: 'sharelora-b',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'group', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
