import type { AdapterSpec } from '../description.js';

/** LoRA: A ~ N(0, 1/in), B = 0. */
export const LORA: AdapterSpec = {
  method: 'lora',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
