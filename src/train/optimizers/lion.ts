import { defineOptimizer } from './define.js';
import { CORRECTIONS_OF } from './facts.js';

export const lion = defineOptimizer({
  kind: 'lion',
  title: 'Lion',
  variant: 'decoupled decay',
  paper: 'arXiv 2302.06675',
  doc: "Lion with decoupled weight decay (arXiv 2302.06675); rates are about a tenth of AdamW's",
  hyper: {
    beta1: { default: 0.9, least: 0, below: 1, doc: 'share of the mean in the direction of a step' },
    beta2: { default: 0.99, least: 0, below: 1, doc: 'decay of the mean of the gradients' },
    weightDecay: { default: 0, least: 0, doc: 'decoupled weight decay' },
  },
  slots: ['m'],
  corrections: CORRECTIONS_OF.lion,
  update(x, { param, grad, lr, hyper, slots }) {
    const one = x.number(1);
    const mix = (beta: typeof one) => x.add(x.mul(slots.m, beta), x.mul(grad, x.sub(one, beta)));
    const direction = x.sign(mix(hyper.beta1));
    const decayed = x.mul(param, x.sub(one, x.mul(lr, hyper.weightDecay)));
    return { param: x.sub(decayed, x.mul(direction, lr)), slots: { m: mix(hyper.beta2) } };
  },
});
