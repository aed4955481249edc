import { expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import {
  dawnEnvironment,
  execution,
  floats,
  runDawn,
  validation,
  validationEnvironment,
} from '../../support/dawn.js';
import { profile } from '../../support/devices.js';
import { everyNth } from '../../support/everything.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { planCases } from '../../support/plan-cases.js';

const cases = planCases();
const driver = dawnEnvironment();
const validator = validationEnvironment();

test('every launch of a plan has a kernel that keeps the rules and fits the device', () => {
  const device = profile('webgpu-laptop', 'webgpu');
  expect(cases.flatMap(({ launch }) => verifyKernel(kernelOf(launch), device))).toEqual([]);
  expect(new Set(cases.map(({ launch }) => launch.family))).toEqual(
    new Set(['rankBatched', 'skinny', 'gemm', 'skinnyT', 'reducePartials']),
  );
});

test('every launch agrees with float64 in the interpreter', { timeout: 300_000 }, () => {
  // in CI; elsewhere every third
  const errors = everyNth(3, cases).map((one) => {
    const buffers = Object.fromEntries(
      Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]),
    );
    const grid = gridOf(one.launch, one.bound);
    interpret(kernelOf(one.launch), { buffers, uniforms: one.bound, grid, order: { seed: 3 } });
    return worstError(buffers[one.out]!, one.expected);
  });
  expect(Math.max(...errors)).toBeLessThan(2e-6);
});

test.skipIf(!validator)('Dawn accepts the WGSL of every launch', { timeout: 300_000 }, () => {
  const answers = runDawn(
    'null',
    validator!,
    cases.map(({ launch }) => validation(kernelOf(launch))),
  );
  expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
});

/** One case of each sort, of every second one outside of CI: a driver on the CPU compiles for a second or two each. */
const sorts = new Map(cases.map((one) => [one.launch.family, one] as const));

test.skipIf(!driver)('one launch of a family agrees with float64 in Dawn', { timeout: 300_000 }, () => {
  const chosen = everyNth(2, [...sorts.values()]);
  const answers = runDawn(
    'vulkan',
    driver!,
    chosen.map((one) => execution(kernelOf(one.launch), one)),
  );
  const wrong = answers.flatMap(({ messages, out }, index) => {
    const { name, expected } = chosen[index]!;
    return out !== null && worstError(floats(out), expected) < 2e-6 ? [] : [{ name, messages }];
  });
  expect(wrong).toEqual([]);
});
