import {
  add,
  call,
  define,
  div,
  f32,
  id,
  type Kernel,
  load,
  lt,
  mul,
  ref,
  store,
  sub,
  u32,
} from '../ir/kir.js';
import { Parameters, vectorOf } from './parameters.js';

/** Invocations of a workgroup; each updates one number. */
export const ADAMW_WIDTH = 64;

/**
 * One AdamW step (decoupled weight decay, arXiv 1711.05101) on a factor of `elements` numbers in f32, in place:
 * buffers parameter, gradient, moment1, moment2; uniforms learning_rate, beta1, beta2, epsilon, weight_decay,
 * correction1 = 1 - beta1^t and correction2 = 1 - beta2^t for step t from 1 on. `lrMultiplier` multiplies the learning rate,
 * for the decay too.
 */
export function adamwKernel(name: string, elements: number, lrMultiplier = 1): Kernel {
  const params = new Parameters();
  const vector = (buffer: string) => vectorOf(buffer, elements);
  params.reads('gradient', 'f32');
  for (const own of ['parameter', 'moment1', 'moment2']) {
    params.reads(own, 'f32');
    params.writes(own, 'f32');
  }
  const given = params.scalar('learning_rate');
  const rate = lrMultiplier === 1 ? given : mul(given, f32(lrMultiplier));
  const [beta1, beta2] = [params.scalar('beta1'), params.scalar('beta2')];
  const [epsilon, decay] = [params.scalar('epsilon'), params.scalar('weight_decay')];
  const [correction1, correction2] = [params.scalar('correction1'), params.scalar('correction2')];
  const at = [ref('u32', 'element')];
  const [g, m, v] = [ref('f32', 'g'), ref('f32', 'm'), ref('f32', 'v')];
  const kept = load(vector('parameter'), at);
  const direction = div(div(m, correction1), add(call('sqrt', div(v, correction2)), epsilon));
  return {
    name,
    about: [
      lrMultiplier === 1
        ? `One AdamW step on ${elements} numbers.`
        : `One AdamW step on ${elements} numbers, at ${lrMultiplier} times the learning rate.`,
    ],
    workgroup: [ADAMW_WIDTH, 1, 1],
    ...params.list(),
    arrays: [],
    body: [
      define('element', add(mul(id('group', 0), u32(ADAMW_WIDTH)), id('local', 0))),
      {
        s: 'if',
        cond: lt(ref('u32', 'element'), u32(elements)),
        body: [
          define('g', load(vector('gradient'), at)),
          define('m', add(mul(beta1, load(vector('moment1'), at)), mul(sub(f32(1), beta1), g))),
          define('v', add(mul(beta2, load(vector('moment2'), at)), mul(mul(sub(f32(1), beta2), g), g))),
          store(vector('moment1'), at, m),
          store(vector('moment2'), at, v),
          store(vector('parameter'), at, sub(mul(kept, sub(f32(1), mul(rate, decay))), mul(rate, direction))),
        ],
      },
    ],
  };
}
