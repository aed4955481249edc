import type { AdapterSpec } from '../description.js';

/** LoRA-XS (arXiv 2405.17604): a square matrix between the singular vectors of the weight, those of the in side times their values. */
export const LORA_XS: AdapterSpec = {
  method: 'lora-xs',
  delta: 'ir,rs,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { svd: 'in', power: 1 }, mode: 'frozen', lrMultiplier: 1 },
    { name: 'R', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: { svd: 'out' }, mode: 'frozen', lrMultiplier: 1 },
  ],
};
