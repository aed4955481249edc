import type { AdapterSpec } from '../description.js';

/** MoSLoRA (arXiv 2406.11909): LoRA with a matrix between A and B, orthogonal at the start, which mixes their subspaces. */
export const MOSLORA: AdapterSpec = {
  method: 'moslora',
  delta: 'ir,rs,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'M', share: 'site', init: 'orthogonal', mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
