import { describe, expect, test } from 'vitest';
import { scheduleOf } from '../../../src/backends/host/cuda/lower.js';
import { blocksAtOnce } from '../../../src/backends/kernel/device/blocks.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { tileElements, tileShape } from '../../../src/backends/kernel/gen/unit-tiles.js';
import type { ArrayDecl, Kernel, Stmt } from '../../../src/backends/kernel/ir/kir.js';
import { elementOf, type UnitStmt, type UnitType } from '../../../src/backends/kernel/ir/units.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { Launch, Product } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { paddedElements } from '../../../src/backends/kernel/plan/padded-tiles.js';
import { scheduleText } from '../../../src/backends/kernel/plan/schedule.js';
import { launchBytes, sharedPlaces } from '../../../src/backends/kernel/print/cuda/shared-memory.js';
import { printWgsl } from '../../../src/backends/kernel/print/wgsl/print.js';
import { changed } from '../../support/changed-kernel.js';
import { hasCompiler } from '../../support/compilers.js';
import { contractionOf } from '../../support/contraction.js';
import { compileCuda, ptxOf, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING, inTurn, typesInTurn } from '../../support/everything.js';
import { type KernelCase, make, typedSegment } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { tf32 } from '../../support/kernel-sim/units.js';
import type { MainLoop } from '../../support/sass.js';
import { unitCases } from '../../support/unit-cases.js';

/** Of matrix units, and float32 on CUDA cores. */
const TYPES = ['bf16', 'f16', 'tf32', 'tf32x3', 'f32'] as const;
const cases = TYPES.flatMap((type) => unitCases(type)).map((one) => ({
  ...one,
  kernel: kernelOf(one.launch),
}));

/** Sums of at most 150 products in f32. */
const ROUNDING = 2e-6;

function run(kernel: Kernel, one: KernelCase, order: Parameters<typeof interpret>[1]['order'] = 'forward') {
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  interpret(kernel, { buffers, uniforms: one.bound, grid: gridOf(one.launch, one.bound), order });
  return buffers[one.out]!;
}

/**
 * In CI every kernel in every type and order; elsewhere each in one type, all but the first in one order, and every second is
 * compiled for the CPU.
 */
const names = new Set(typesInTurn(TYPES, unitCases).map(({ name }) => name));
const sampled = cases.filter(({ name }) => names.has(name));
const ORDERS = ['forward', 'reversed', { seed: 5 }] as const;

describe.each(sampled.map((one, n) => [one.name, one, n] as const))('%s', (_, one, n) => {
  test('keeps the rules', () => {
    expect(verifyKernel(one.kernel, profile('a100', 'cuda'))).toEqual([]);
  });

  // in CI kernels of 16 bits and of tf32 in every order
  test.each(n < 24 ? inTurn(ORDERS, n) : [ORDERS[n % 3]!])('agrees with float64, order %j', (order) => {
    expect(worstError(run(one.kernel, one, order), one.expected)).toBeLessThan(ROUNDING);
  });
});

describe.skipIf(!hasCompiler('g++'))('CUDA source run on the CPU', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    // in CI all of 16 bits, of the others every second
    const compiled = sampled.filter((_, n) => (n + (n >> 3)) % 2 === 0 || (EVERYTHING && n < 16));
    const close = runOnCpu(compiled).map((actual, index) => [
      compiled[index]!.name,
      worstError(actual, compiled[index]!.expected) < ROUNDING,
    ]);
    expect(close).toEqual(compiled.map(({ name }) => [name, true]));
  });
});

/** All products of a training plan for a device, with tiles of a real size. */
function launched(type: UnitType | 'f32', width: number, name = 'a100'): readonly Launch[] {
  const dtype = type === 'f32' ? type : elementOf(type);
  const rounding = type === 'tf32' || type === 'tf32x3' ? type : undefined;
  const sketch = { factors: 3, in: width, out: width, rank: 16, inputs: [['q', 'k', 'v'], ['o']] } as const;
  const device = profile(name, 'cuda');
  const contraction = { ...contractionOf(sketch), dtype };
  const plan = choose(contraction, {
    ...{ device, tokens: 4096, purpose: 'train', strategy: 'split' },
    ...(rounding ? { rounding } : {}),
  });
  return plan.regions
    .flatMap(({ forward, backward }) => [...forward, ...backward])
    .filter(({ work }) => work.kind === 'product')
    .map((launch) => ({ ...launch, schedule: scheduleOf(launch, device) }));
}

const planned = (type: UnitType | 'f32', width: number): readonly Kernel[] =>
  launched(type, width).map(kernelOf);

test.each([
  // [tiles of a layer, bytes under way on a multiprocessor while a tile is multiplied]
  ['a100', '128x128x32, 4 stages, 4 warps', 96 << 10],
  ['h100', '128x128x64, 3 stages, 4 warps', 128 << 10],
  // a tile takes these devices four times as long: one under way in each block is enough
  ['rtx-4090', '128x128x32, 2 stages, 4 warps', 32 << 10],
] as const)('on %s two blocks have room for %s each', (name, tiles, underWay) => {
  const device = profile(name, 'cuda');
  const launches = launched('bf16', 4096, name);
  for (const launch of launches) {
    expect(launch.schedule.stages, launch.name).toBeGreaterThan(1);
    const { bytes } = sharedPlaces(kernelOf(launch).arrays);
    expect(blocksAtOnce(bytes, device), launch.name).toBeGreaterThanOrEqual(2);
  }
  const { schedule } = launches.find(({ name }) => name === 'layer_0')!;
  expect(scheduleText(schedule)).toBe(tiles);
  const { BM, BN, BK, stages } = schedule;
  expect(2 * (stages - 1) * (BM + BN) * BK * 2).toBe(underWay);
});

/**
 * ptxas keeps fragments of two steps by itself: it loads those of the second 16 of a tile while those of the first are multiplied,
 * and no product comes right after the load that it needs.
 */
function expectPipelined({ order, instructions, products }: MainLoop) {
  // 64 x 64 results of a warp, two steps of 16 in a tile
  expect(products).toBe(4 * 8 * 2);
  // copies of segments that a tile does not belong to are counted, and skipped
  expect(products / instructions).toBeGreaterThan(0.2);
  const loads = order.split('L').length - 1;
  // a load is 4 matrices of 128 bytes: 128 bytes for a product, as (64 + 64) x 16 elements for 64 x 64 results are at least
  expect((loads * 512) / products).toBe(128);
  expect(order.indexOf('H')).toBeLessThan(loads * 0.75);
  // products after so many loads
  const after = (count: number) => order.split('L').slice(count).join('').length;
  expect(after(loads * 0.75)).toBeGreaterThanOrEqual(products / 2);
  expect(after(loads)).toBeGreaterThanOrEqual(8);
}

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test.each(
    allOrFirst([
      ['sm_80', 'bf16', 1024],
      ['sm_80', 'tf32', 1024],
      ['sm_80', 'tf32x3', 1024],
      ['sm_80', 'f32', 1024],
      ['sm_90a', 'f16', 1024],
      ['sm_120', 'bf16', 1021],
      ['sm_120', 'bf16', 1024],
    ] as const),
  )(
    'compiles every kernel of a plan for %s, %s, width %i within its budget',
    { timeout: 300_000 },
    (arch, type, width) => {
      const kernels = planned(type, width);
      for (const kernel of kernels) expect(verifyKernel(kernel, profile('a100', 'cuda'))).toEqual([]);
      // each takes a second or two: in CI all of them
      const all = EVERYTHING && type !== 'f32' && type !== 'tf32x3' && (arch !== 'sm_120' || width === 1021);
      const some = all ? kernels : kernels.filter(({ name }) => name === 'layer_0' || name === 'dx_0');
      const compiled = compileCuda(some, arch);
      expect(compiled.length).toBe(some.length);
      // ptxas has an order of its own
      for (const { kernel, registers, spills, sharedBytes, loop } of compiled) {
        const own = some.find(({ name }) => name === kernel)!;
        expect(spills).toBe(0);
        expect(loop!.kind).toBe(type === 'f32' ? 'FFMA' : 'HMMA');
        // rows that begin at multiples of 16 bytes are loaded by as many, in every main loop
        if (width === 1024) expect(new Set(loop!.loads), kernel).toEqual(new Set([16]));
        if (type === 'bf16' && width === 1024 && kernel === 'layer_0') expectPipelined(loop!);
        if (type === 'f32' && kernel === 'layer_0')
          expect(loop!.products / loop!.instructions).toBeGreaterThan(0.85);
        // two blocks run on a multiprocessor: it has 65,536 registers, which threads get by eights
        const [x, y, z] = own.workgroup;
        expect(2 * x * y * z * 8 * Math.ceil(registers / 8)).toBeLessThanOrEqual(65_536);
        // what is more than a kernel can declare is given by the launch
        const given = launchBytes(own);
        expect(sharedBytes === 0).toBe(given > 0);
        expect(blocksAtOnce(sharedBytes + given, profile('a100', 'cuda'))).toBeGreaterThanOrEqual(2);
      }
    },
  );

  test('the products run on matrix units, fed by ldmatrix and cp.async', { timeout: 300_000 }, () => {
    const layer = planned('bf16', 1024).find(({ name }) => name === 'layer_0')!;
    const ptx = ptxOf([layer], 'compute_80');
    // 64 x 64 results of a warp, two steps of 16 in a tile
    expect(ptx.match(/mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16/g)).toHaveLength(4 * 8 * 2);
    expect(ptx.match(/ldmatrix\.sync\.aligned\.m8n8\.x4/g)).toHaveLength(2 * (4 + 4));
    expect(ptx).toMatch(/cp\.async\.cg\.shared\.global/);
    expect(ptx).not.toMatch(/\.local/);
  });
});

test('plans have room for a tile stored either way, and no more', () => {
  for (const elem of ['f32', 'f16', 'bf16'] as const)
    for (const [outer, inner] of [
      [128, 16],
      [16, 32],
    ] as const) {
      const ways = [false, true].map((transposed) =>
        tileElements(tileShape({ transposed }, outer, inner, true, elem)),
      );
      expect(paddedElements(outer, inner, elem)).toBe(Math.max(...ways));
    }
});

test('results are stored in pairs where rows begin at even places, and only there', () => {
  const paired = (kernel: Kernel) => every(kernel.body).some((stmt) => stmt.s === 'store' && stmt.next);
  const even = ['copied_in_vectors', 'weights_stored_out_in', 'sum_over_tokens_in_parts'];
  for (const { name, kernel } of cases) {
    expect(paired(kernel), name).toBe(even.includes(name.replace(/_(bf16|f16|tf32|tf32x3|f32)$/, '')));
  }
});

test('copies of 16 bytes are made where rows allow it, and only there', () => {
  const copying = cases.filter(({ kernel }) => every(kernel.body).some(({ s }) => s === 'copy'));
  const names = copying.map(({ name }) => name);
  for (const type of TYPES) {
    expect(names).toContain(`copied_in_vectors_${type}`);
    expect(names).not.toContain(`odd_lengths_${type}`);
  }
});

const every = (body: readonly Stmt[]): readonly Stmt[] =>
  body.flatMap((stmt) => [stmt, ...('body' in stmt ? every(stmt.body) : [])]);

test.each([
  ['x W', {}],
  ['x W^T', { b: true }],
  ['x^T dy, in parts', { a: true }],
])('tiles of CUDA cores are written and read without conflicts of banks: %s', (_, stored) => {
  // two warps of the widest tile
  const [rows, inner] = 'a' in stored ? ([32, 'M'] as const) : (['M', 20] as const);
  const one = make('tiles', {
    ...{ rows, cols: 128, outOffset: 2, M: 'a' in stored ? 36 : 32 },
    segments: [typedSegment(['x', 'w'], [rows, inner, 128], 'f32', stored)],
    schedule: { BM: 32, BN: 128, BK: 16, TM: 8, TN: 8, vec: 4, stages: 3, splitK: 'a' in stored ? 2 : 1 },
  });
  const kernel = kernelOf(one.launch);
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  const counts = interpret(kernel, {
    buffers,
    uniforms: one.bound,
    grid: gridOf(one.launch, one.bound),
    banks: true,
  });
  expect(worstError(buffers[one.out]!, one.expected)).toBeLessThan(ROUNDING);
  expect(counts.bankConflicts).toBe(0);
});

test.each([
  ['bf16', 'x W', 64, 32, {}],
  ['bf16', 'x R', 16, 64, {}],
  ['f16', 'x W^T', 64, 32, { b: true }],
  ['bf16', 'x^T dy, in parts', 64, 32, { a: true }],
  ['tf32', 'x W', 64, 16, {}],
  ['tf32', 'x R', 16, 32, {}],
  ['tf32', 'x W^T', 64, 16, { b: true }],
] as const)(
  'tiles of matrix units are written and read without conflicts of banks: %s, %s',
  (unit, _, cols, BK, stored) => {
    const parts = 'a' in stored ? 2 : 1;
    const [rows, inner] = 'a' in stored ? ([64, 'M'] as const) : (['M', 64] as const);
    const one = make('tiles', {
      ...{ unit, rows, cols, outOffset: 2, M: 64 },
      segments: [typedSegment(['x', 'w'], [rows, inner, cols], elementOf(unit), stored)],
      schedule: { BM: 64, BN: cols, BK, TM: 32, TN: cols, vec: 4, stages: 3, warps: 2, splitK: parts },
    });
    const kernel = kernelOf(one.launch);
    const buffers = Object.fromEntries(
      Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]),
    );
    const grid = gridOf(one.launch, one.bound);
    const counts = interpret(kernel, { buffers, uniforms: one.bound, grid, banks: true });
    expect(worstError(buffers[one.out]!, one.expected)).toBeLessThan(ROUNDING);
    expect(counts.bankConflicts).toBe(0);
  },
);

test('three products of tf32 are nearly float32, and one is not', () => {
  const one = cases.find(({ name }) => name === 'odd_lengths_tf32x3')!;
  const work = one.launch.work as Product;
  const single = kernelOf({ ...one.launch, work: { ...work, rounding: 'tf32' } });
  expect(worstError(run(one.kernel, one), one.expected)).toBeLessThan(3e-7);
  expect(worstError(run(single, one), one.expected)).toBeGreaterThan(3e-5);
});

describe('a kernel that is wrong is found out', () => {
  const one = cases.find(({ name }) => name === 'copied_in_vectors_bf16')!;
  const rules = (kernel: Kernel) => verifyKernel(kernel).map(({ message }) => message);

  test('without the barrier', () => {
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'barrier' ? null : stmt));
    expect(rules(broken).join()).toMatch(/tile_a is read without a barrier/);
    expect(() => run(broken, one)).toThrowError(/race|unwritten/);
  });

  test('without the wait', () => {
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'wait' ? null : stmt));
    expect(rules(broken).join()).toMatch(/tile_a is read while copies to it are under way/);
    expect(worstError(run(broken, one), one.expected)).toBe(Number.POSITIVE_INFINITY);
  });

  test('waiting for too few copies', () => {
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'wait' ? { ...stmt, pending: 2 } : stmt));
    expect(() => run(broken, one)).toThrowError(/race/);
  });

  test('bringing the next tile to where one is being read', () => {
    const broken = changed(one.kernel, (stmt) =>
      stmt.s === 'copy'
        ? { ...stmt, index: { type: 'u32', e: 'bin', op: '%', a: stmt.index, b: FIRST } }
        : stmt,
    );
    expect(() => run(broken, one)).toThrowError(/race/);
  });

  test('rows that do not begin at multiples of 16 bytes', () => {
    const view = (stmt: Stmt): Stmt =>
      stmt.s === 'copy'
        ? { ...stmt, view: { ...stmt.view, offset: { type: 'u32', e: 'lit', value: 3 } } }
        : stmt;
    expect(rules(changed(one.kernel, view)).join()).toMatch(/rule "copy"/);
  });

  test('a pair that begins at an odd place', () => {
    const { kernel } = cases.find(({ name }) => name === 'weights_stored_out_in_bf16')!;
    const odd = changed(kernel, (stmt) =>
      stmt.s === 'store'
        ? { ...stmt, view: { ...stmt.view, offset: { type: 'u32', e: 'lit', value: 3 } } }
        : stmt,
    );
    expect(rules(kernel)).toEqual([]);
    expect(rules(odd).join()).toMatch(/two elements of y may not lie together/);
  });

  test('threads of a warp that load from different places', () => {
    const lane = {
      type: 'u32',
      e: 'bin',
      op: '*',
      a: { type: 'u32', e: 'ref', name: 'lane' },
      b: EIGHT,
    } as const;
    const broken = changed(one.kernel, (stmt) => (stmt.s === 'fragment' ? { ...stmt, at: lane } : stmt));
    expect(rules(broken).join()).toMatch(/threads of a warp load part_a from different places/);
  });

  /** A statement of one sort with something changed, and what the verifier says of it. */
  type Changes = { readonly [S in UnitStmt['s']]: Partial<Extract<UnitStmt, { s: S }>> };
  const unlike = <S extends UnitStmt['s']>(sort: S, change: Changes[S]) =>
    changed(one.kernel, (stmt) => (stmt.s === sort ? ({ ...stmt, ...change } as Stmt) : stmt));
  const whole = (value: number) => ({ type: 'u32', e: 'lit', value }) as const;
  const lane = { type: 'u32', e: 'ref', name: 'lane' } as const;
  const wide = (kernel: Kernel, change: (array: ArrayDecl) => ArrayDecl): Kernel => ({
    ...kernel,
    arrays: kernel.arrays.map(change),
  });

  test.each<[string, Kernel, RegExp]>([
    [
      'a tile of another type',
      wide(one.kernel, (a) => ({ ...a, elem: 'f32' })),
      /tile_a is f32, part_a wants bf16/,
    ],
    [
      'rows of a tile that do not begin at 16 bytes',
      unlike('fragment', { stride: 41 }),
      /rows of tile_a do not begin/,
    ],
    ['a fragment beyond its tile', unlike('fragment', { stride: 4000 }), /reaches beyond tile_a/],
    ['a fragment that is not declared', unlike('fragment', { fragment: 'part_c' }), /no fragment part_c/],
    ['a tile that is not declared', unlike('fragment', { tile: 'tile_c' }), /no workgroup array tile_c/],
    [
      'a fragment numbered by a variable',
      unlike('fragment', { index: lane }),
      /part_a is numbered by a variable/,
    ],
    [
      'a number of a fragment that is not there',
      unlike('mma', { aIndex: whole(99) }),
      /a number of part_a, of/,
    ],
    ['operands exchanged', unlike('mma', { a: 'part_b', b: 'part_a' }), /not the two operands of a product/],
    ['sums that are not declared', unlike('mma', { acc: 'tile_a' }), /no register array tile_a/],
    ['sums numbered by a variable', unlike('mma', { at: lane }), /acc is indexed by a variable/],
    ['sums that are not there', unlike('mma', { at: whole(9999) }), /an index of acc, of/],
    [
      'a copy between types',
      wide(one.kernel, (a) => (a.name === 'tile_a' ? { ...a, elem: 'f16' } : a)),
      /differ in type/,
    ],
    ['a copy that is not 16 bytes', unlike('copy', { count: 4 }), /4 elements are not 16 bytes/],
    ['a copy beyond its tile', unlike('copy', { index: whole(1 << 20) }), /a copy reaches beyond tile_a/],
    [
      'a copy outside of its matrix',
      changed(one.kernel, (stmt) => {
        if (stmt.s !== 'copy') return stmt;
        const { mask: _, ...unmasked } = stmt;
        return unmasked;
      }),
      /neither bounded nor masked/,
    ],
    [
      'a product that some threads do not reach',
      changed(one.kernel, (stmt) =>
        stmt.s === 'mma'
          ? { s: 'if', cond: { type: 'bool', e: 'cmp', op: '<', a: lane, b: whole(8) }, body: [stmt] }
          : stmt,
      ),
      /a mma that some invocations may not reach/,
    ],
  ])('%s', (_, kernel, message) => {
    expect(rules(kernel).join('\n')).toMatch(message);
  });
});

const EIGHT = { type: 'u32', e: 'lit', value: 8 } as const;
const FIRST = { type: 'u32', e: 'lit', value: 640 } as const;

test('LOTR6103: WGSL has no such kernels', () => {
  expect(() => printWgsl(cases[2 * 8]!.kernel)).toThrowError(/LOTR6103.*matrix units/);
});

test('tf32 rounds 13 bits away, ties away from zero', () => {
  expect(tf32(1 + 2 ** -11)).toBe(1 + 2 ** -10);
  expect(tf32(-1 - 2 ** -11)).toBe(-1 - 2 ** -10);
  expect(tf32(1 + 2 ** -12)).toBe(1);
  expect(tf32(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
});
