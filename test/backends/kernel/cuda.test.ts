import { describe, expect, test } from 'vitest';
import { kernelOf, scalarSchedule } from '../../../src/backends/kernel/families/kernels.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { compileCuda, hasCompiler, runOnCpu } from '../../support/cuda.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';

const cases = kernelCases().map((one) => ({ ...one, kernel: kernelOf(one.launch) }));

describe.skipIf(!hasCompiler('g++'))('CUDA source run on the CPU', () => {
  test('agrees with float64 for every kernel', { timeout: 120_000 }, () => {
    const results = runOnCpu(cases);
    const close = results.map((actual, index) => [
      cases[index]!.name,
      worstError(actual, cases[index]!.expected) < 2e-6,
    ]);
    expect(close).toEqual(cases.map(({ name }) => [name, true]));
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

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test.each(['sm_80', 'sm_90a', 'sm_120'])(
    'compiles every kernel for %s within its budget',
    { timeout: 120_000 },
    (arch) => {
      const kernels = large();
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
