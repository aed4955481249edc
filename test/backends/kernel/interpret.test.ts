import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import { inTurn } from '../../support/everything.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';

const ORDERS = ['forward', 'reversed', { seed: 5 }] as const;

/** In CI in every order; elsewhere all but the first in one. */
describe.each(kernelCases().map((one, n) => [one.name, one, n] as const))('%s', (_, one, n) => {
  const kernel = kernelOf(one.launch);
  const grid = gridOf(one.launch, one.bound);
  const copies = () =>
    Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));

  test.each(inTurn(ORDERS, n))('agrees with float64, order %j', (order) => {
    const buffers = copies();
    const counts = interpret(kernel, { buffers, uniforms: one.bound, grid, order });
    expect(worstError(buffers[one.out]!, one.expected)).toBeLessThan(2e-6);
    expect(counts.stores).toBeGreaterThan(0);
  });

  test('computes the same bits after legalisation', () => {
    const [before, after] = [copies(), copies()];
    const first = interpret(kernel, { buffers: before, uniforms: one.bound, grid });
    const second = interpret(legalise(kernel), { buffers: after, uniforms: one.bound, grid });
    expect(after[one.out]).toEqual(before[one.out]);
    expect(second).toEqual(first);
  });
});

test.each([
  ['f16', 2 ** -11],
  ['bf16', 2 ** -8],
] as const)('a result in %s is rounded once, after an f32 sum', (elem, half) => {
  const one = kernelCases().find(({ name }) => name === 'forward_17_13_11_rank_3')!;
  const kernel = kernelOf(one.launch);
  const y = one.buffers.y!.slice();
  const buffers = kernel.buffers.map((param) => (param.name === 'y' ? { ...param, elem } : param));
  interpret(
    { ...kernel, buffers },
    {
      buffers: { ...one.buffers, y },
      uniforms: one.bound,
      grid: gridOf(one.launch, one.bound),
    },
  );
  const errors = [...one.expected]
    .map((value, at) => Math.abs(y[at]! - value) / Math.abs(value))
    .filter(Number.isFinite);
  expect(errors.length).toBe(17 * 11);
  expect(Math.max(...errors)).toBeLessThan(half * 1.01);
  expect(Math.max(...errors)).toBeGreaterThan(half / 8);
});
