import type { AdapterSpec } from '../description.js';

/** MetaTT in four axes (arXiv 2506.09105): a tensor train over in, layer, type of layer and out. */
export const METATT_4D: AdapterSpec = {
  method: 'metatt-4d',
  delta: 'ir,rs,su,uo->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'G1', share: 'model', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    { name: 'G2', share: 'layer', init: 'eye', mode: 'trainable', lrMultiplier: 1 },
    { name: 'G3', share: 'type', init: 'eye', mode: 'trainable', lrMultiplier: 1 },
    { name: 'G4', share: 'model', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
  ],
};
