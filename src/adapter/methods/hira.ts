import type { AdapterSpec } from '../description.js';

/** HiRA: the weight is multiplied, number by number, by a low-rank matrix. */
export const HIRA: AdapterSpec = {
  method: 'hira',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'none',
  wrap: 'hadamard',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, mode: 'trainable', lrMultiplier: 1 },
    { name: 'B', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
  ],
};
