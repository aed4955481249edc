import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/families/kernels.js';
import { interpret, type Launched } from '../../../src/backends/kernel/ir/interpret.js';
import type { Division } from '../../../src/backends/kernel/ir/interpret-subgroups.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import type { Order } from '../../../src/backends/kernel/ir/memory.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { profile } from '../../../src/backends/kernel/profiles.js';
import type { KernelCase } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { subgroupCases } from '../../support/subgroup-cases.js';

const cases = subgroupCases().map((one) => ({ ...one, kernel: kernelOf(one.launch) }));

function run(kernel: Kernel, one: KernelCase, how: Pick<Launched, 'order' | 'subgroups'>) {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  const counts = interpret(kernel, {
    buffers,
    uniforms: one.bound,
    grid: gridOf(one.launch, one.bound),
    ...how,
  });
  return { result: buffers[one.out]!, counts };
}

/** Sizes of subgroups, of neighbours or of any invocations; 7 leaves a last one that is not full, and so does 128. */
const any = (size: number) => ({ size, mapping: { seed: size } });
const DIVISIONS: readonly (readonly [Order, readonly Division[]])[] = [
  ['forward', [{ size: 4 }, { size: 8 }, { size: 16 }, { size: 32 }, { size: 64 }]],
  ['reversed', [any(7), { size: 4 }, any(32), { size: 128 }]],
  [{ seed: 5 }, [any(4), any(16), { size: 8 }]],
];

describe.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test.each(DIVISIONS)('agrees with float64 for every size of subgroups, order %j', (order, divisions) => {
    for (const subgroups of divisions) {
      const { result } = run(one.kernel, one, { order, subgroups });
      expect(worstError(result, one.expected), JSON.stringify(subgroups)).toBeLessThan(2e-6);
    }
  });

  test('computes the same bits after legalisation', () => {
    const subgroups = { size: 8, mapping: { seed: 3 } } as const;
    expect(run(legalise(one.kernel), one, { subgroups })).toEqual(run(one.kernel, one, { subgroups }));
  });

  test('keeps the rules', () => {
    expect(verifyKernel(one.kernel)).toEqual([]);
  });
});
