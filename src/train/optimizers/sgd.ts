import { defineOptimizer } from './define.js';
import { CORRECTIONS_OF } from './facts.js';

export const sgd = defineOptimizer({
  kind: 'sgd',
  title: 'SGD',
  variant: 'momentum',
  doc: 'SGD with momentum, as torch.optim.SGD without dampening',
  hyper: {
    momentum: { default: 0.9, least: 0, below: 1, doc: 'decay of the sum of the gradients' },
    weightDecay: { default: 0, least: 0, doc: 'L2: added to the gradient' },
  },
  slots: ['u'],
  corrections: CORRECTIONS_OF.sgd,
  update(x, { param, grad, lr, hyper, slots }) {
    const g = x.add(grad, x.mul(param, hyper.weightDecay));
    const u = x.named('u', x.add(x.mul(slots.u, hyper.momentum), g));
    return { param: x.sub(param, x.mul(u, lr)), slots: { u } };
  },
});
