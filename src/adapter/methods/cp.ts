import type { AdapterSpec } from '../description.js';

/** A canonical decomposition over in, layer, type of layer and out, as CaRA has it. */
export const CP: AdapterSpec = {
  method: 'cp',
  delta: 'ir,r,r,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'U', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'l', share: 'layer', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 't', share: 'type', init: { normal: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'V', share: 'model', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
