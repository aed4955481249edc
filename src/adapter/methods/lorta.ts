import type { AdapterSpec } from '../description.js';

/** LoRTA (arXiv 2410.04060): a canonical decomposition over in, the parts and number of the heads, layer and type of layer. */
export const LORTA: AdapterSpec = {
  method: 'lorta',
  delta: 'ir,er,hr,r,r->i(he)',
  scale: 1,
  scaling: 'rank',
  extents: { h: 'sqrt' },
  factors: [
    { name: 'A', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'model', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'C', share: 'model', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'l', share: 'layer', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 't', share: 'type', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
  ],
};
