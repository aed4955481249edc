import type { AdapterSpec } from '../description.js';

/** IA3 (arXiv 2205.05638): one number for each output of a layer; where PEFT has the factor, this has it less 1. The bias is scaled too. */
export const IA3: AdapterSpec = {
  method: 'ia3',
  delta: 'o->io',
  scale: 1,
  scaling: 'none',
  wrap: 'hadamard',
  scaleBias: true,
  factors: [{ name: 'l', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 }],
};
