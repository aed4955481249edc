import { defineMatrixOptimizer } from './define.js';
import { CORRECTIONS_OF } from './facts.js';

/** Products of a step, and the coefficients of x (a + b x^2 + c x^4), which moves singular values towards 1. */
const STEPS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315];
const SMALLEST_NORM = 1e-7;

export const muon = defineMatrixOptimizer({
  kind: 'muon',
  title: 'Muon',
  doc: 'Muon: the mean of the gradients with all singular values moved towards 1 by five Newton-Schulz steps, as torch.optim.Muon, in float32',
  hyper: {
    momentum: { default: 0.95, least: 0, below: 1, doc: 'decay of the mean of the gradients' },
    weightDecay: { default: 0, least: 0, doc: 'decoupled weight decay' },
  },
  slots: ['u'],
  corrections: CORRECTIONS_OF.muon,
  update(x, { param, grad, lr, hyper, slots }, [rows, columns]) {
    const one = x.number(1);
    const towards = (from: typeof one, to: typeof one, share: typeof one) =>
      x.add(x.mul(from, x.sub(one, share)), x.mul(to, share));
    const u = x.named('u', towards(slots.u, grad, x.sub(one, hyper.momentum)));
    // as Nesterov's momentum
    const ahead = towards(grad, u, hyper.momentum);
    // the shorter side is that of the product with itself
    const flat = rows > columns ? x.transpose(ahead) : ahead;
    let direction = x.div(flat, x.max(x.norm(flat), x.number(SMALLEST_NORM)));
    for (let step = 0; step < STEPS; step++) {
      const gram = x.product(direction, x.transpose(direction));
      const poly = x.add(x.mul(gram, x.number(B)), x.mul(x.product(gram, gram), x.number(C)));
      direction = x.add(x.mul(direction, x.number(A)), x.product(poly, direction));
    }
    if (rows > columns) direction = x.transpose(direction);
    const rate = x.mul(lr, x.number(Math.sqrt(Math.max(1, rows / columns))));
    const decayed = x.mul(param, x.sub(one, x.mul(lr, hyper.weightDecay)));
    return { param: x.sub(decayed, x.mul(direction, rate)), slots: { u } };
  },
});
