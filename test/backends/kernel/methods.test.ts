import { describe, expect, test } from 'vitest';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { Family, ScheduleRow } from '../../../src/backends/kernel/model/types.js';
import type { PlanOptions } from '../../../src/backends/kernel/plan/choose.js';
import type { Sketch } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';
import { inTurn } from '../../support/everything.js';
import { KERNEL_METHODS } from '../../support/kernel-methods.js';
import { interpreted, wholePlan, worstOf } from '../../support/whole-plan.js';

const webgpu = profile('webgpu-laptop', 'webgpu');
const cuda = profile('h100', 'cuda');

/** Small tiles for matrix units: those of the device would be almost empty. */
const tiles = (family: Family, splitK = 1): ScheduleRow => ({
  target: cuda.target,
  dtype: 'bf16',
  family,
  bucket: 'any',
  source: 'tuned',
  schedule: { BM: 16, BN: 16, BK: 16, TM: 16, TN: 16, vec: 1, stages: 2, warps: 1, splitK },
});
const schedules = [tiles('gemm'), tiles('skinny'), tiles('skinnyT', 2)];

/** All of them in CI; elsewhere the first einsum is checked in each of these ways, and the others in one, in turn. */
const WAYS: readonly (readonly [string, PlanOptions, number])[] = [
  ['split', { device: webgpu, tokens: 5, purpose: 'train', strategy: 'split' }, 2e-6],
  // sums over tokens are taken in parts, and operands are rounded
  [
    'split in bfloat16',
    { device: cuda, tokens: 35, purpose: 'train', strategy: 'split', dtype: 'bf16', schedules },
    2e-2,
  ],
  ['merged', { device: webgpu, tokens: 7, purpose: 'train', strategy: 'merged' }, 2e-6],
  ['three adapters', { device: webgpu, tokens: 70, purpose: 'serve', adapters: 3 }, 2e-6],
];

describe.each(
  KERNEL_METHODS.map(
    (spec, n) => [`${spec.delta} ${spec.factors.map(({ share }) => share)}`, spec, inTurn(WAYS, n)] as const,
  ),
)('%s', (_, factors, ways) => {
  const inputs = [
    ['q', 'k', 'v'],
    ['o', 'q#2'],
  ];
  const sketch: Sketch = { factors, in: 13, out: 9, rank: 3, inputs };
  test.each(ways)(
    '%s: y, dx and the gradient of every factor are those of float64',
    (_way, options, bound) => {
      const whole = wholePlan(sketch, options);
      for (const launch of whole.launches) expect(verifyKernel(kernelOf(launch), options.device)).toEqual([]);
      const { name, error } = worstOf(whole, interpreted(whole));
      expect(error, name).toBeLessThan(bound);
      expect(error, name).toBeGreaterThan(0);
    },
  );
});
