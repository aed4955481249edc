import { describe, expect, test } from 'vitest';
import { stepOptimizer } from '../../../src/backends/host/shared/optimizer.js';
import { STEP_WIDTH, stepKernel } from '../../../src/backends/kernel/gen/step.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { printCuda } from '../../../src/backends/kernel/print/cuda/print.js';
import { defineOptimizer } from '../../../src/train/optimizers/define.js';
import { OPTIMIZERS, optimizerDef } from '../../../src/train/optimizers/index.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { correctionsOf, OPTIMIZER_ROWS } from '../../support/optimizer-rows.js';
import { relativeError } from '../../support/ort.js';

const elementwise = OPTIMIZER_ROWS.filter(({ kind }) => optimizerDef(kind).arithmetic === 'elementwise');

test('the rows have every optimizer whose update is of each element by itself', () => {
  const kinds = OPTIMIZERS.filter(({ arithmetic }) => arithmetic === 'elementwise').map(({ kind }) => kind);
  expect(kinds.length).toBeGreaterThan(2);
  expect([...new Set(elementwise.map(({ kind }) => kind))]).toEqual(kinds);
});

describe.each(
  elementwise.map((row) => [`${row.kind} ${JSON.stringify(row.hyper)} [${row.shape}]`, row] as const),
)('%s', (_, row) => {
  // a power of two, so that the product is the same number
  test.each([1, 4])('as a kernel at %d times the rate is that of float64', (times) => {
    const def = stepOptimizer(row.kind);
    // the numbers of a row several times over, in more than one workgroup; the last is not full
    const copies = Math.ceil((STEP_WIDTH + 1) / row.param.length);
    const repeated = (numbers: readonly number[]) => Array.from({ length: copies }, () => numbers).flat();
    const parameter = Float32Array.from(repeated(row.param));
    const kernel = stepKernel(def, 'step', parameter.length, times);
    expect(verifyKernel(kernel)).toEqual([]);
    const states = kernel.buffers.map(({ name }) => name).filter((name) => name.startsWith('moment'));
    expect(states).toHaveLength(def.slots.length);
    const held = Object.fromEntries(states.map((name) => [name, new Float32Array(parameter.length)]));
    for (const [t, grad] of row.grads.entries()) {
      const numbers = [
        row.rates[t]! / times,
        ...Object.keys(def.hyper).map((name) => row.hyper[name]!),
        ...correctionsOf(row, t + 1).map(([, value]) => value),
      ];
      expect(kernel.uniforms).toHaveLength(numbers.length);
      interpret(kernel, {
        buffers: { parameter, gradient: Float32Array.from(repeated(grad)), ...held },
        uniforms: Object.fromEntries(kernel.uniforms.map(({ name }, i) => [name, Math.fround(numbers[i]!)])),
        grid: [Math.ceil(parameter.length / STEP_WIDTH), 1, 1],
        order: { seed: t },
      });
      expect(relativeError(parameter, repeated(row.after[t]!))).toBeLessThan(2e-6);
    }
  });
});

test('values are computed from the numbers before the step, in whatever order they are written', () => {
  const crossed = defineOptimizer({
    kind: 'crossed',
    title: 'Crossed',
    variant: 'slots',
    doc: 'slots and parameter change places',
    hyper: {},
    slots: ['a', 'b'],
    corrections: {},
    update: (x, { param, grad, lr, slots }) => ({
      param: x.named('element', x.add(slots.a, x.mul(grad, x.div(x.number(1), x.number(4))))),
      slots: { a: slots.b, b: x.named('signed', x.sub(x.add(slots.a, param), x.mul(lr, x.number(2)))) },
    }),
  });
  const kernel = stepKernel(crossed, 'step', 3);
  expect(verifyKernel(kernel)).toEqual([]);
  // a keyword of C++ is not a name
  expect(printCuda([kernel])).toContain('float signed2 =');
  const buffers = {
    gradient: Float32Array.of(4, -8, 2),
    parameter: Float32Array.of(1, 2, 3),
    moment1: Float32Array.of(10, 20, 30),
    moment2: Float32Array.of(-5, -6, -7),
  };
  interpret(kernel, { buffers, uniforms: { learning_rate: 0.5 }, grid: [1, 1, 1] });
  expect([...buffers.parameter]).toEqual([11, 18, 30.5]);
  expect([...buffers.moment1]).toEqual([-5, -6, -7]);
  expect([...buffers.moment2]).toEqual([10, 21, 32]);
});

const matrices = OPTIMIZERS.filter(({ arithmetic }) => arithmetic === 'matrices').map(({ kind }) => kind);
test.each(matrices)('%s, an optimizer of matrices, is refused by LOTR6105', (kind) => {
  const { title } = optimizerDef(kind);
  const message = `there are no kernels for the steps of ${title}: it updates whole matrices, not single numbers`;
  expect(() => stepOptimizer(kind)).toThrow(
    expect.objectContaining({ diagnostics: [expect.objectContaining({ code: 'LOTR6105', message })] }),
  );
});
