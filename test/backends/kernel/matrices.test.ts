import { describe, expect, test } from 'vitest';
import { MATRIX_SHAPES } from '../../../src/backends/kernel/device/subgroup-matrices.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { type Kernel, type Stmt, u32 } from '../../../src/backends/kernel/ir/kir.js';
import { legalise } from '../../../src/backends/kernel/ir/legalise.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { printCuda } from '../../../src/backends/kernel/print/cuda/print.js';
import { printWgsl } from '../../../src/backends/kernel/print/wgsl/print.js';
import { changed } from '../../support/changed-kernel.js';
import { runDawn, validation, validationEnvironment } from '../../support/dawn.js';
import { profile } from '../../support/devices.js';
import { EVERYTHING } from '../../support/everything.js';
import type { KernelCase } from '../../support/kernel-cases.js';
import { worstError, worstOfBound } from '../../support/kernel-run.js';
import { interpret, type Launched } from '../../support/kernel-sim/interpret.js';
import { matrixCases } from '../../support/matrix-cases.js';

const all = MATRIX_SHAPES.flatMap((shape) =>
  (shape.startsWith('f16') ? [false, true] : [false]).flatMap((halfSums) =>
    matrixCases(shape, halfSums).map((one) => ({ one, halfSums, kernel: kernelOf(one.launch) })),
  ),
);
/** Each case in some of the shapes, in turn: in CI in half of them. */
const sampled = all.filter((_, n) => n % (EVERYTHING ? 2 : 5) === 0);
const device = profile('webgpu-laptop', 'webgpu');

function run(
  kernel: Kernel,
  one: KernelCase,
  { order = 'forward', subgroups = { size: 32 } }: Pick<Launched, 'order' | 'subgroups'> = {},
) {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  interpret(kernel, { buffers, uniforms: one.bound, grid: gridOf(one.launch, one.bound), order, subgroups });
  return buffers[one.out]!;
}

/** A device may put any invocations into a subgroup. */
const ANY = { size: 32, mapping: { seed: 3 } } as const;

describe.each(sampled.map(({ one, ...rest }) => [one.name, { one, ...rest }] as const))(
  '%s',
  (_, { one, halfSums, kernel }) => {
    test('agrees with float64', () => {
      const result = run(kernel, one, { order: { seed: 5 }, subgroups: ANY });
      const rounded = one.launch.work.kind === 'product' && one.launch.work.out.dtype === 'f16';
      if (halfSums) expect(worstOfBound(result, one)).toBeLessThan(1);
      else expect(worstError(result, one.expected)).toBeLessThan(rounded ? 2 ** -11 : 2e-6);
      // sums in float16 do round
      if (halfSums) expect(worstError(result, one.expected)).toBeGreaterThan(1e-4);
    });

    test('keeps the rules, and computes the same bits after legalisation', () => {
      expect(verifyKernel(kernel, device)).toEqual([]);
      expect(run(legalise(kernel), one, { subgroups: ANY })).toEqual(run(kernel, one));
    });
  },
);

const validator = validationEnvironment();
test.skipIf(!validator)('Tint compiles every kernel', { timeout: 300_000 }, () => {
  const answers = runDawn(
    'null',
    validator!,
    all.map(({ kernel }) => validation(kernel)),
  );
  expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
});

describe('a kernel that is wrong is found out', () => {
  const { one, kernel } = all.find((found) => found.one.name === 'matrices_f16_8x8x8_stored_out_in')!;
  const rules = (broken: Kernel) =>
    verifyKernel(broken, device)
      .map(({ code, message }) => `${code} ${message}`)
      .join();
  const off = (broken: Kernel) => worstError(run(broken, one), one.expected);
  const when = <S extends Stmt['s']>(s: S, change: (stmt: Extract<Stmt, { s: S }>) => Stmt | null) =>
    changed(kernel, (stmt) => (stmt.s === s ? change(stmt as Extract<Stmt, { s: S }>) : stmt));
  const nth = <S extends Stmt['s']>(
    s: S,
    n: number,
    change: (stmt: Extract<Stmt, { s: S }>) => Stmt | null,
  ) => {
    let count = 0;
    return when(s, (stmt) => (count++ === n ? change(stmt) : stmt));
  };

  /** It computes something else, or the simulator stops it. */
  const fails = (broken: Kernel): boolean => {
    try {
      return off(broken) > 1e-2;
    } catch (error) {
      return /unwritten|race|bounds/.test(String(error));
    }
  };

  test('rows of a fragment that are another length apart', () => {
    for (const operand of ['part_a', 'part_b']) {
      const shorter = (by: number) =>
        when('fragment', (stmt) =>
          stmt.fragment === operand ? { ...stmt, stride: stmt.stride - by } : stmt,
        );
      expect(fails(shorter(8))).toBe(true);
      // devices need not load such rows
      expect(rules(shorter(4))).toMatch(/do not begin at multiples of 16 bytes/);
    }
  });

  test('an operand that is stored the other way', () => {
    for (const operand of ['part_a', 'part_b']) {
      const other = when('fragment', (stmt) =>
        stmt.fragment === operand ? { ...stmt, transposed: !stmt.transposed } : stmt,
      );
      expect(fails(other)).toBe(true);
    }
  });

  test('rows and columns of sums that are exchanged', () => {
    expect(
      off(when('spill', (stmt) => ({ ...stmt, fragment: 'sum', index: u32(0), at: stmt.at }))),
    ).toBeGreaterThan(1e-2);
  });

  // before each tile of both rings, and before and after the first sums are read
  test.each([0, 2, 3, 4])('without barrier %i', (n) => {
    const broken = nth('barrier', n, () => null);
    // of a ring that is already filled only the simulator sees which tile is read
    if (n !== 2) expect(rules(broken)).toMatch(/LOTR6104.*"order"/);
    expect(() => run(broken, one)).toThrowError(/race|unwritten/);
  });

  test('that some invocations do not reach', () => {
    const some = when('mma', (stmt) => ({
      s: 'if',
      cond: { type: 'bool', e: 'cmp', op: '<', a: { type: 'u32', e: 'id', of: 'local', axis: 0 }, b: u32(5) },
      body: [stmt],
    }));
    expect(rules(some)).toMatch(/a mma that some invocations may not reach/);
    const own = when('spill', (stmt) => ({
      ...stmt,
      at: { type: 'u32', e: 'id', of: 'local', axis: 0 },
    }));
    expect(rules(own)).toMatch(/the threads of a warp load sum from different places/);
  });

  test('in subgroups of another size, or that are not whole', () => {
    for (const size of [16, 64])
      expect(() => run(kernel, one, { subgroups: { size } })).toThrowError(/multiply matrices of 32/);
    expect(rules({ ...kernel, workgroup: [120, 1, 1] })).toMatch(/are not whole subgroups of 32/);
  });

  test('in other types, outside, or for what is not declared', () => {
    const { matrix } = kernel;
    expect(rules({ ...kernel, matrix: { ...matrix!, result: 'f16' } })).toMatch(/sum has no sums .* in f16/);
    expect(rules({ ...kernel, matrix: { ...matrix!, type: 'f32' } })).toMatch(
      /part_a is not an operand in f32/,
    );
    expect(rules(when('spill', (stmt) => ({ ...stmt, at: u32(9992) })))).toMatch(
      /sum reaches beyond results/,
    );
    expect(rules(when('spill', (stmt) => ({ ...stmt, tile: 'tile_a' })))).toMatch(
      /tile_a is f16, sum wants f32/,
    );
    expect(rules(when('spill', (stmt) => ({ ...stmt, index: u32(99) })))).toMatch(/a number of sum, of 8/);
    expect(rules(when('spill', (stmt) => ({ ...stmt, fragment: 'part_a' })))).toMatch(/part_a has no sums/);
  });

  test('in CUDA', () => {
    expect(() => printCuda([kernel])).toThrowError(/LOTR6103/);
  });

  test('asks for its size where devices have several', () => {
    const text = (name: string) => printWgsl(all.find((found) => found.one.name === name)!.kernel);
    expect(text('matrices_f16_8x16x16_two_tiles_down')).toMatch(
      /enable subgroup_size_control;[\s\S]*@compute @workgroup_size\(128, 1, 1\) @subgroup_size\(32\)/,
    );
    expect(text('matrices_f16_8x8x8_two_tiles_down')).not.toMatch(/subgroup_size/);
  });
});
