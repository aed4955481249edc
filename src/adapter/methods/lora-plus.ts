import type { AdapterSpec } from '../description.js';

/** LoRA+ (arXiv 2402.12354): LoRA whose B learns at a multiple of the rate of A. */
export const LORA_PLUS: AdapterSpec = {
  method: 'lora-plus',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 16 },
  ],
};
