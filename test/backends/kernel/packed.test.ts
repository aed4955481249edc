import { describe, expect, test } from 'vitest';
import { scheduleOf } from '../../../src/backends/host/cuda/lower.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { unitSchedule, unitTypeOf } from '../../../src/backends/kernel/gen/unit-schedule.js';
import {
  div,
  type Kernel,
  literalValue,
  mod,
  mul,
  type Stmt,
  type U32,
  u32,
} from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { changed } from '../../support/changed-kernel.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileCuda, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { EVERYTHING, everySecond, typesInTurn } from '../../support/everything.js';
import type { KernelCase } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { evenPackedCases, packedCases, packedRingCases } from '../../support/packed-cases.js';

const TYPES = ['bf16', 'f16', 'tf32', null] as const;
/** Without matrix units: tiles that are copied, and tiles that come through registers. */
const RINGS = ['copied', 'f32', 'f16', 'bf16'] as const;
/** In CI every case in every type; elsewhere each in one. */
const cases = [...typesInTurn(TYPES, packedCases), ...everySecond(typesInTurn(RINGS, packedRingCases))].map(
  (one) => ({
    ...one,
    kernel: kernelOf(one.launch),
  }),
);
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

describe.skipIf(!hasCompiler('g++') || !EVERYTHING)('sources run on the CPU', () => {
  test.each([
    ['CUDA', false],
    ['HIP', true],
  ])('%s agrees with float64', { timeout: 300_000 }, (_, hip) => {
    const some = everySecond(cases.filter(({ launch }) => (launch.schedule.staged ?? false) === hip));
    const found = runOnCpu(some, { checked: true, hip }).map((actual, index) => [
      some[index]!.name,
      worstError(actual, some[index]!.expected) < ROUNDING,
    ]);
    expect(found).toEqual(some.map(({ name }) => [name, true]));
  });
});

describe('a fault in a ring over packed words is found', () => {
  const one = packedRingCases('bf16').find(({ name }) => name.startsWith('packed_forward_ring'))!;
  const but = (change: (stmt: Stmt) => Stmt) => changed(kernelOf(one.launch), change);
  const FAULTS: readonly (readonly [string, Kernel])[] = [
    [
      'the row of another column',
      but((stmt) =>
        stmt.s === 'let' && /^row_b_/.test(stmt.name)
          ? { ...stmt, init: mul(div(stmt.init as U32, u32(2)), u32(2)) }
          : stmt,
      ),
    ],
    [
      'the scale of the block before',
      but((stmt) =>
        stmt.s === 'poke' && stmt.array === 'word_scales' && stmt.value.e === 'load'
          ? { ...stmt, value: { ...stmt.value, at: [stmt.value.at[0]!, div(stmt.value.at[1]!, u32(2))] } }
          : stmt,
      ),
    ],
    [
      'words go where a tile is read',
      but((stmt) => (stmt.s === 'unpack' ? { ...stmt, index: mod(stmt.index, u32(32 * 36)) } : stmt)),
    ],
    ['no barrier', changed(kernelOf(one.launch), (stmt) => (stmt.s === 'barrier' ? null : stmt))],
  ];
  test.each(FAULTS)('%s', (_, broken) => {
    let error = Number.POSITIVE_INFINITY;
    try {
      error = run(broken, { ...one, kernel: broken });
    } catch (fault) {
      expect(String(fault)).toMatch(/race|unwritten|bounds/);
    }
    expect(error).toBeGreaterThan(1e-3);
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

describe.skipIf(!hasCompiler('nvcc') || !EVERYTHING)('nvcc', () => {
  /** Tiles of a real size. */
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
  const wholeTiles = ({ launch }: (typeof cases)[number] | KernelCase, bytes: number) => {
    if (launch.work.kind !== 'product') throw new Error('not a product');
    return kernelOf({ ...launch, schedule: unitSchedule(tiles, unitTypeOf(launch.work)!, bytes)! });
  };

  test('compiles forward and dx for sm_80 without spills', { timeout: 300_000 }, () => {
    const kernels = packedCases('bf16')
      .filter(({ name }) => /forward_bf16|dx_of_siblings|of_codes/.test(name))
      .map((one) => wholeTiles(one, 48 << 10));
    for (const { registers, spills } of compileCuda(kernels, 'sm_80')) {
      expect(spills).toBe(0);
      expect(registers).toBeLessThanOrEqual(255);
    }
  });

  test('main loops load x and words 16 bytes at a time', { timeout: 300_000 }, () => {
    const units = evenPackedCases('bf16').map((one) => evenOf(one, wholeTiles(one, 80 << 10)));
    const cores = evenPackedCases('f32').map((one) => evenOf(one, onCores(one)));
    const all = [...units, ...cores];
    const compiled = compileCuda(
      all.map(({ kernel }) => kernel),
      'sm_80',
    );
    expect(compiled.length).toBe(all.length);
    for (const { kernel: name, spills, loop } of compiled) {
      const one = all.find(({ kernel }) => kernel.name === name)!;
      expect(spills, name).toBe(0);
      expect(loop!.kind, name).toBe(units.includes(one) ? 'HMMA' : 'FFMA');
      // what is narrower is a scale for each 16 bytes of words, and a zero point
      const fetches = every(one.kernel.body).flatMap((stmt) =>
        stmt.s === 'for' && stmt.body.some(({ s }) => s === 'fetch') ? [literalValue(stmt.to)!] : [],
      );
      const narrow = loop!.loads.filter((bytes) => bytes !== 16);
      expect(narrow.length, name).toBe(fetches.at(-1)! * (one.zeros ? 2 : 1));
      expect(loop!.loads.length - narrow.length, name).toBeGreaterThan(fetches.at(-1)!);
    }
  });
});

/** A kernel over a packed weight, and whether blocks of that have zero points. */
function evenOf({ launch }: KernelCase, kernel: Kernel) {
  const packed = launch.work.kind === 'product' ? launch.work.segments[0]!.b.matrix.packed : undefined;
  return { kernel, zeros: packed?.zeros !== null };
}

/** A kernel of CUDA cores, with the schedule that a plan has for it. */
function onCores({ launch }: KernelCase): Kernel {
  const tiles = { BM: 128, BN: 128, BK: 16, TM: 8, TN: 8, vec: 4, stages: 3, warps: 0, splitK: 1 } as const;
  return kernelOf({ ...launch, schedule: scheduleOf({ ...launch, schedule: tiles }, a100) });
}
