import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { unitSchedule, unitTypeOf } from '../../../src/backends/kernel/gen/unit-schedule.js';
import type { Kernel, Stmt } from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { whyNoWarpgroups } from '../../../src/backends/kernel/plan/warpgroup-schedule.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileCuda, ptxOf, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { EVERYTHING, everySecond, typesInTurn } from '../../support/everything.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { packedCases } from '../../support/packed-cases.js';

const TYPES = ['bf16', 'f16', 'tf32', null] as const;
/** In CI every case in every type; elsewhere each in one. */
const cases = typesInTurn(TYPES, packedCases).map((one) => ({ ...one, kernel: kernelOf(one.launch) }));
const a100 = profile('a100', 'cuda');
const ROUNDING = 2e-6;

function run(kernel: Kernel, one: (typeof cases)[number]) {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  interpret(kernel, {
    buffers,
    uniforms: one.bound,
    grid: gridOf(one.launch, one.bound),
    order: { seed: 3 },
  });
  return worstError(buffers[one.out]!, one.expected);
}

test.each(cases.map((one) => [one.name, one] as const))('%s: rules, and float64', (_, one) => {
  expect(verifyKernel(one.kernel, a100)).toEqual([]);
  expect(run(one.kernel, one)).toBeLessThan(ROUNDING);
});

describe.skipIf(!hasCompiler('g++') || !EVERYTHING)('CUDA source run on the CPU', () => {
  test('agrees with float64', { timeout: 300_000 }, () => {
    const some = everySecond(cases);
    const found = runOnCpu(some, { checked: true }).map((actual, index) => [
      some[index]!.name,
      worstError(actual, some[index]!.expected) < ROUNDING,
    ]);
    expect(found).toEqual(some.map(({ name }) => [name, true]));
  });
});

const every = (body: readonly Stmt[]): readonly Stmt[] =>
  body.flatMap((stmt) => [stmt, ...('body' in stmt ? every(stmt.body) : [])]);

test('as many words as lie together in a block are loaded at once', () => {
  const counts = packedCases('bf16').map(
    ({ launch }) =>
      every(kernelOf(launch).body).flatMap((stmt) => (stmt.s === 'fetch' ? [stmt.count] : []))[0],
  );
  expect(counts).toEqual([4, 2, 4, 4, 2, 4, 4]);
});

test('warpgroups take no packed operand', () => {
  const [{ launch }] = packedCases('bf16') as [(typeof cases)[number]];
  const ring = {
    BM: 128,
    BN: 128,
    BK: 64,
    TM: 64,
    TN: 128,
    vec: 4,
    stages: 4,
    warps: 12,
    splitK: 1,
  } as const;
  expect(launch.work.kind === 'product' && whyNoWarpgroups(launch.work, ring)).toBe('w is packed');
});

describe.skipIf(!hasCompiler('nvcc') || !EVERYTHING)('nvcc', () => {
  /** Tiles of a real size, and words loaded 16 bytes at a time. */
  test('compiles forward and dx for sm_80 without spills', { timeout: 300_000 }, () => {
    const tiles = {
      BM: 128,
      BN: 128,
      BK: 64,
      TM: 64,
      TN: 64,
      vec: 4,
      stages: 4,
      warps: 4,
      splitK: 1,
    } as const;
    const kernels = packedCases('bf16')
      .filter(({ name }) => /forward_bf16|dx_of_siblings|of_codes/.test(name))
      .map(({ launch }) => {
        if (launch.work.kind !== 'product') throw new Error('not a product');
        return kernelOf({ ...launch, schedule: unitSchedule(tiles, unitTypeOf(launch.work)!, 48 << 10)! });
      });
    for (const { registers, spills } of compileCuda(kernels, 'sm_80')) {
      expect(spills).toBe(0);
      expect(registers).toBeLessThanOrEqual(255);
    }
    expect(ptxOf(kernels, 'compute_80')).toMatch(/ld\.global\.nc\.v4\.u32/);
  });
});
