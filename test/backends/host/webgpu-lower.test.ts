import { describe, expect, test } from 'vitest';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { profile } from '../../support/devices.js';
import { contraction } from '../../support/host-layers.js';
import { loadModule } from '../../support/host-module.js';
import { recordingDevice } from '../../support/recording-device.js';
import { interpreted, type WholePlan, wholePlan, worstOf } from '../../support/whole-plan.js';

const laptop = profile('webgpu-laptop', 'webgpu');
const named = ({ launches }: WholePlan) => launches.map(({ name }) => name);

/** Holds all launches to the rules and what they compute to float64. */
function check(whole: WholePlan): void {
  for (const launch of whole.launches)
    expect(verifyKernel(kernelOf(launch), whole.plan.device), launch.name).toEqual([]);
  const { name, error } = worstOf(whole, interpreted(whole));
  expect(error, name).toBeLessThan(2e-6);
  expect(error, name).toBeGreaterThan(0);
}

describe('products of few rows', () => {
  const sketch = { factors: 3, in: 260, out: 20, rank: 4, inputs: [['q']] } as const;
  const options = { tokens: 3, purpose: 'serve', strategy: 'split' } as const;
  /** launches cost nothing there */
  const wide = { ...laptop, multiprocessors: 6, launchSeconds: 0 };

  test.each(['io', 'oi'] as const)(
    'of fewer workgroups than the device has units are cut along the inner dimension, weights stored %s',
    (stored) => {
      const whole = wholePlan({ ...sketch, stored, activation: 'relu' }, { ...options, device: wide });
      expect(named(whole)).toEqual(expect.arrayContaining(['layer_0_parts', 'layer_0']));
      const { schedule } = whole.launches.find(({ name }) => name === 'layer_0_parts')!;
      expect(schedule).toMatchObject({ gemv: true, splitK: 2 });
      check(whole);
    },
  );

  test.each([
    ['a launch takes longer than it saves', { ...wide, launchSeconds: 30e-6 }],
    ['the device has no more units', { ...wide, multiprocessors: 1 }],
  ])('are one launch where %s', (_, device) => {
    expect(named(wholePlan(sketch, { ...options, device })).join()).not.toMatch(/parts/);
  });
});

describe('weights that a device does not bind at once', () => {
  /** A weight has 544 numbers. */
  const small = { ...laptop, bindingBytes: 1100 };

  test.each([
    ['split', 'io', 68, 8, ['layer_0_slice_2', 'dx_0_slice_2']],
    ['split', 'oi', 8, 68, ['layer_0_slice_2', 'dx_0_slice_5']],
    ['merged', 'io', 68, 8, ['merge_Wm_0_slice_2', 'layer_0_slice_2']],
  ] as const)(
    '%s, stored %s: launches read some of their rows each',
    (strategy, stored, inputs, out, some) => {
      const sketch = { factors: 3, in: inputs, out, rank: 4, stored, inputs: [['q', 'k']] } as const;
      const whole = wholePlan(sketch, { device: small, tokens: 5, purpose: 'train', strategy });
      expect(named(whole)).toEqual(expect.arrayContaining([...some]));
      check(whole);
    },
  );

  test('the module binds no more than the device allows, and asks for no more', async () => {
    const bindingBytes = 17000;
    const plan = loweredWgsl(
      choose(contraction(LOTR, undefined, { in: 132, out: 44, rank: 4 }), {
        ...{ device: { ...laptop, bindingBytes }, tokens: 5, purpose: 'serve', strategy: 'split' },
      }),
    );
    const { createAdapters, requirements } = await loadModule(webgpuHost(plan)[0]!.text);
    const { device, made } = recordingDevice();
    await createAdapters(device, { tokens: 5 });
    const bound = made.groups.flatMap(({ entries }) => entries.map(({ resource }) => resource));
    const sizes = bound.map(({ buffer, size }) => size ?? buffer.size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(bindingBytes);
    expect(Math.max(...bound.map(({ buffer }) => buffer.size))).toBeGreaterThan(bindingBytes);
    expect(requirements(5).requiredLimits.maxStorageBufferBindingSize).toBe(Math.max(...sizes));
    expect(requirements(5).requiredLimits.maxBufferSize).toBe(4 * 132 * 44);
  });
});
