import { describe, expect, test } from 'vitest';
import { kernelOf, scalarSchedule } from '../../../src/backends/kernel/gen/kernels.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { hasCompiler } from '../../support/compilers.js';
import { contractionOf } from '../../support/contraction.js';
import { compileCuda, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, everyNth } from '../../support/everything.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';

const cases = kernelCases().map((one) => ({ ...one, kernel: kernelOf(one.launch) }));

describe.skipIf(!hasCompiler('g++'))('CUDA source run on the CPU', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    // in CI all of them
    const sampled = everyNth(3, cases);
    const results = runOnCpu(sampled, { checked: true });
    const close = results.map((actual, index) => [
      sampled[index]!.name,
      worstError(actual, sampled[index]!.expected) < 2e-6,
    ]);
    expect(close).toEqual(sampled.map(({ name }) => [name, true]));
  });
});

/** Tiles of a real size, of float32 and of bfloat16 operands. */
function large(): readonly Kernel[] {
  const hopper = {
    BM: 128,
    BN: 256,
    BK: 64,
    TM: 64,
    TN: 64,
    vec: 4,
    stages: 3,
    warps: 8,
    splitK: 1,
  } as const;
  const schedule = scalarSchedule(hopper, 48 << 10);
  return cases
    .filter(({ launch }) => launch.schedule.splitK === 1)
    .flatMap(({ launch }) => {
      const kernel = kernelOf({ ...launch, schedule });
      const narrow = kernel.buffers.map((param) => ({
        ...param,
        elem: param.elem === 'u32' ? ('u32' as const) : ('bf16' as const),
      }));
      return [kernel, { ...kernel, name: `${kernel.name}_bf16`, buffers: narrow }];
    });
}

/** Kernels of a training plan for an H100, with the plan's own types. */
function planned(): readonly Kernel[] {
  const sketch = { factors: 3, in: 117, out: 91, rank: 13, inputs: [['q', 'k', 'v'], ['o']] } as const;
  const contraction = { ...contractionOf(sketch), dtype: 'bf16' as const };
  const device = profile('h100', 'cuda');
  const plan = choose(contraction, { device, tokens: 1031, purpose: 'train', strategy: 'split' });
  return [
    ...plan.prologue,
    ...plan.regions.flatMap(({ forward, backward }) => [...forward, ...backward]),
    ...plan.epilogue,
  ].map((launch) => kernelOf({ ...launch, schedule: scalarSchedule(launch.schedule, 48 << 10) }));
}

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles every kernel of a bfloat16 plan for an H100, none of which spills', {
    timeout: 300_000,
  }, () => {
    // in CI all of them
    const kernels = everyNth(8, planned());
    expect(kernels.flatMap((kernel) => verifyKernel(kernel, profile('h100', 'cuda')))).toEqual([]);
    const compiled = compileCuda(kernels, 'sm_90a');
    expect(compiled.map(({ spills }) => spills)).toEqual(kernels.map(() => 0));
    expect(kernels.some(({ buffers }) => buffers.some(({ elem }) => elem === 'bf16'))).toBe(true);
  });

  test.each(allOrFirst(['sm_90a', 'sm_80', 'sm_120']))(
    'compiles every kernel for %s within its budget',
    { timeout: 300_000 },
    (arch) => {
      const kernels = everyNth(9, large());
      const compiled = compileCuda(kernels, arch);
      expect(compiled.map(({ kernel }) => kernel).sort()).toEqual(kernels.map(({ name }) => name).sort());
      for (const { registers, spills, sharedBytes } of compiled) {
        expect(spills).toBe(0);
        expect(registers).toBeGreaterThan(0);
        expect(registers).toBeLessThanOrEqual(96);
        expect(sharedBytes).toBeGreaterThan(0);
        expect(sharedBytes).toBeLessThanOrEqual(48 << 10);
      }
    },
  );
});
