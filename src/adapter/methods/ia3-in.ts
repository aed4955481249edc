import type { AdapterSpec } from '../description.js';

/** IA3 (arXiv 2205.05638) where it scales what enters a layer. */
export const IA3_IN: AdapterSpec = {
  method: 'ia3-in',
  delta: 'i->io',
  scale: 1,
  scaling: 'none',
  wrap: 'hadamard',
  factors: [{ name: 'l', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 }],
};
