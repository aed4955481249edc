import type { AdapterSpec } from '../description.js';

/** LoHa (arXiv 2108.06098): the product, number by number, of two low-rank matrices. */
export const LOHA: AdapterSpec = {
  method: 'loha',
  delta: 'ir,ro,is,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A1', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B1', share: 'site', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'A2', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B2', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
