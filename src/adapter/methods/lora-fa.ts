import type { AdapterSpec } from '../description.js';

/** LoRA-FA (arXiv 2308.03303): LoRA with A as it was drawn. */
export const LORA_FA: AdapterSpec = {
  method: 'lora-fa',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'frozen', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
