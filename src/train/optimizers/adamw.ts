import { defineOptimizer } from './define.js';
import { CORRECTIONS_OF } from './facts.js';

const fraction = { least: 0, below: 1 } as const;

export const adamw = defineOptimizer({
  kind: 'adamw',
  title: 'AdamW',
  variant: 'decoupled decay',
  paper: 'arXiv 1711.05101',
  torch: 'AdamW',
  doc: 'AdamW with decoupled weight decay (arXiv 1711.05101), as torch.optim.AdamW',
  hyper: {
    beta1: { default: 0.9, ...fraction, doc: 'decay of the mean of the gradients' },
    beta2: { default: 0.999, ...fraction, doc: 'decay of the mean of their squares' },
    epsilon: { default: 1e-8, above: 0, doc: 'added to the root of the mean of the squares' },
    // no decay by default: factors are small, and the low rank already regularises
    weightDecay: { default: 0, least: 0, doc: 'decoupled weight decay' },
  },
  slots: ['m', 'v'],
  corrections: CORRECTIONS_OF.adamw,
  update(x, { param, grad, lr, hyper, slots, corrections }) {
    const one = x.number(1);
    const m = x.named('m', x.add(x.mul(slots.m, hyper.beta1), x.mul(grad, x.sub(one, hyper.beta1))));
    const square = x.mul(x.mul(grad, grad), x.sub(one, hyper.beta2));
    const v = x.named('v', x.add(x.mul(slots.v, hyper.beta2), square));
    const root = x.sqrt(x.div(v, corrections.bc2));
    const direction = x.div(x.div(m, corrections.bc1), x.add(root, hyper.epsilon));
    const decayed = x.mul(param, x.sub(one, x.mul(lr, hyper.weightDecay)));
    return { param: x.sub(decayed, x.mul(direction, lr)), slots: { m, v } };
  },
});
