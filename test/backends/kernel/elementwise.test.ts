import { expect, test } from 'vitest';
import { activate } from '../../../src/backends/kernel/gen/maths.js';
import { STEP_WIDTH, stepKernel } from '../../../src/backends/kernel/gen/step.js';
import {
  define,
  id,
  type Kernel,
  load,
  ref,
  store,
  u32,
  type View,
} from '../../../src/backends/kernel/ir/kir.js';
import type { Activation } from '../../../src/backends/kernel/model/types.js';
import { adamw } from '../../../src/train/optimizers/adamw.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';

/** erf by its series, which converges everywhere; enough terms for the arguments here. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const REFERENCE: Readonly<Record<Activation, (x: number) => number>> = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

test.each(Object.keys(REFERENCE) as Activation[])('%s agrees with its definition', (kind) => {
  const vector = (buffer: string): View => ({
    buffer,
    offset: u32(0),
    extents: [u32(41)],
    strides: [u32(1)],
  });
  const at = [id('local', 0)];
  const kernel: Kernel = {
    name: 'activation',
    about: [],
    workgroup: [41, 1, 1],
    buffers: [
      { name: 'x', elem: 'f32', access: 'read' },
      { name: 'y', elem: 'f32', access: 'write' },
    ],
    uniforms: [],
    arrays: [],
    body: [
      define('value', load(vector('x'), at)),
      store(vector('y'), at, activate(kind, ref('f32', 'value'))),
    ],
  };
  const x = Float32Array.from({ length: 41 }, (_, i) => (i - 20) * 0.21);
  // far from zero nothing overflows to NaN
  x[0] = -80;
  x[40] = 80;
  const y = new Float32Array(41).fill(Number.NaN);
  interpret(kernel, { buffers: { x, y }, grid: [1, 1, 1] });
  const expected = Float64Array.from(x, (value) =>
    Math.abs(value) > 8 ? Math.max(value, 0) : REFERENCE[kind](value),
  );
  const errors = y.map((value, i) => Math.abs(value - expected[i]!));
  expect(Math.max(...errors)).toBeLessThan(2e-6);
});

test.each([1, 4])(
  'three AdamW steps at %d times the rate agree with the published update in float64',
  (times) => {
    const n = STEP_WIDTH + 13;
    const [rate, beta1, beta2, epsilon, decay] = [0.03, 0.9, 0.95, 1e-6, 0.1] as const;
    const parameter = values(n, 1);
    const [moment1, moment2] = [new Float32Array(n), new Float32Array(n)];
    const [p, m, v] = [Float64Array.from(parameter), new Float64Array(n), new Float64Array(n)];
    const kernel = stepKernel(adamw, 'step', n, times);
    for (let t = 1; t <= 3; t++) {
      const gradient = values(n, 10 + t);
      const [correction1, correction2] = [1 - beta1 ** t, 1 - beta2 ** t];
      interpret(kernel, {
        buffers: { parameter, gradient, moment1, moment2 },
        uniforms: {
          learning_rate: rate,
          beta1,
          beta2,
          epsilon,
          weight_decay: decay,
          correction1,
          correction2,
        },
        grid: [Math.ceil(n / STEP_WIDTH), 1, 1],
        order: { seed: t },
      });
      for (let i = 0; i < n; i++) {
        const g = gradient[i]!;
        m[i] = beta1 * m[i]! + (1 - beta1) * g;
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
        p[i]! -=
          times * rate * (m[i]! / correction1 / (Math.sqrt(v[i]! / correction2) + epsilon) + decay * p[i]!);
      }
    }
    expect(worstError(parameter, p)).toBeLessThan(2e-6);
    expect(worstError(moment2, v)).toBeLessThan(2e-6);
  },
);
