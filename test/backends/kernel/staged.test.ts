import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { type Kernel, mod, ref, type Stmt, u32 } from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { changed } from '../../support/changed-kernel.js';
import { hasCompiler } from '../../support/compilers.js';
import { runOnCpu } from '../../support/cuda.js';
import { EVERYTHING, everyNth, everySecond, typesInTurn } from '../../support/everything.js';
import { type KernelCase, kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { stagedCases } from '../../support/unit-cases.js';

const TYPES = ['f32', 'f16', 'bf16'] as const;
const ORDERS = ['forward', 'reversed', { seed: 5 }] as const;
const compiledOf = (one: KernelCase) => ({ ...one, kernel: kernelOf(one.launch) });
const cases = typesInTurn(TYPES, stagedCases).map(compiledOf);
/** Sums of at most 150 products in f32. */
const ROUNDING = 2e-6;

function run(kernel: Kernel, one: KernelCase, order: Parameters<typeof interpret>[1]['order'] = 'forward') {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  interpret(kernel, { buffers, uniforms: one.bound, grid: gridOf(one.launch, one.bound), order });
  return buffers[one.out]!;
}

describe.each(cases.map((one, n) => [one.name, one, n] as const))('%s', (_, one, n) => {
  test('keeps the rules', () => {
    expect(verifyKernel(one.kernel)).toEqual([]);
  });

  test.each([ORDERS[n % 3]!])('agrees with float64, order %j', (order) => {
    expect(worstError(run(one.kernel, one, order), one.expected)).toBeLessThan(ROUNDING);
  });
});

describe('a kernel that is wrong is found out', () => {
  const one = compiledOf(stagedCases('bf16').find(({ name }) => name.startsWith('copied_in_vectors'))!);
  const lane = ref('u32', 'lane');
  const but = (sort: 'put' | 'load8', change: object) =>
    changed(one.kernel, (stmt) => (stmt.s === sort ? ({ ...stmt, ...change } as Stmt) : stmt));

  test('without the barrier', () => {
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'barrier' ? null : stmt));
    expect(verifyKernel(broken)[0]!.message).toMatch(/tile_b is read without a barrier/);
    expect(() => run(broken, one)).toThrowError(/race|unwritten/);
  });

  test('the next tile goes where one is being read', () => {
    const broken = changed(one.kernel, (stmt) =>
      stmt.s === 'put' ? { ...stmt, index: mod(stmt.index, u32(512)) } : stmt,
    );
    expect(() => run(broken, one)).toThrowError(/race/);
  });

  test.each([
    ['at an odd place', but('put', { index: u32(3) }), /four numbers of tile_a may not lie together/],
    ['beyond the tile', but('put', { index: u32(1 << 20) }), /four numbers reach beyond tile_a/],
    ['from a variable place', but('put', { at: lane }), /next_a is indexed by a variable/],
    ['from registers that are not there', but('put', { at: u32(96) }), /an index of next_a, of 8/],
    ['from no registers', but('put', { from: 'nothing' }), /there is no register array nothing/],
    ['to registers that are not there', but('load8', { index: u32(8) }), /an index of next_a, of 8/],
  ])('numbers that are moved %s', (_, broken, says) => {
    expect(verifyKernel(broken)[0]!.message).toMatch(says);
  });
});

/** Changes of the sources of HIP programs that are faults. */
const FAULTS: readonly (readonly [what: string, from: string | RegExp, to: string])[] = [
  ['no barrier before a tile is read', /__syncthreads\(\);/, ''],
  ['the next tile goes where this one is read', /(const unsigned stage_next_put_0 = \w+) % 2u/, '$1 % 1u'],
  ['the last tile is left out', /(stage_next_put_1 = \w+) % 2u/, '$1 % 1u'],
  ['four neighbours in another order', 'from[0], from[1]', 'from[1], from[0]'],
  [
    'elements outside are loaded',
    'inside ? *reinterpret_cast<const FourWords',
    'true ? *reinterpret_cast<const FourWords',
  ],
  ['the second four are the first', /(put_4\(&tile_b\[.*, &next_b\[\w+ \* 8u) \+ 4u/, '$1'],
  ['bfloat16 is another part of a float', 'number.bits) << 16', 'number.bits) << 15'],
];

describe.skipIf(!hasCompiler('g++'))('HIP source run on the CPU', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    // in CI all of them
    const sampled = [...everyNth(2, cases), ...everyNth(5, kernelCases()).map(compiledOf)];
    const close = runOnCpu(sampled, { hip: true, checked: true }).map((actual, index) => [
      sampled[index]!.name,
      worstError(actual, sampled[index]!.expected) < ROUNDING,
    ]);
    expect(close).toEqual(sampled.map(({ name }) => [name, true]));
  });

  const faulty = compiledOf(stagedCases('bf16').find(({ name }) => name.startsWith('copied_in_vectors'))!);
  test.each(EVERYTHING ? everySecond(FAULTS) : FAULTS.slice(0, 1))(
    'a fault is found: %s',
    { timeout: 300_000 },
    (_, from, to) => {
      let changed = 0;
      const change = (text: string) => {
        const other = text.replace(from, to);
        if (other !== text) changed++;
        return other;
      };
      const wrong = () => worstError(runOnCpu([faulty], { hip: true, change })[0]!, faulty.expected);
      let error = Number.POSITIVE_INFINITY;
      try {
        error = wrong();
      } catch (ended) {
        // the run itself ends: a barrier that some miss, memory that is not there
        if (String(ended).includes('error:')) throw ended;
      }
      expect(changed).toBe(1);
      expect(error).toBeGreaterThan(1e-3);
    },
  );
});
