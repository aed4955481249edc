import { describe, expect, test } from 'vitest';
import { loweringFor } from '../../../src/backends/host/cuda/lower.js';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { Launch, MatrixRef, Packed, Product } from '../../../src/backends/kernel/model/types.js';
import { dense, flipped, plain } from '../../../src/backends/kernel/plan/launches.js';
import { packedGroups } from '../../../src/backends/kernel/plan/packed-groups.js';
import { UNPACKING } from '../../../src/backends/kernel/plan/product-price.js';
import { whyNoWarpgroups } from '../../../src/backends/kernel/plan/warpgroup-schedule.js';
import { hasCompiler } from '../../support/compilers.js';
import { compileCuda, runOnCpu } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING, everyNth, everySecond, typesInTurn } from '../../support/everything.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { packedCases, packedGroupCases } from '../../support/packed-cases.js';

/** Kernels for warpgroups over packed weights. In CI every case in both types, of which the interpreter runs every second; elsewhere each in one. */
const cases = typesInTurn(['bf16', 'f16'] as const, packedGroupCases).map((one) => ({
  ...one,
  kernel: kernelOf(one.launch),
}));
const h100 = profile('h100', 'cuda');
/** Sums of at most 200 products in f32, and one rounding of results to their type. */
const ROUNDING = { f32: 2e-6, f16: 5e-4, bf16: 4e-3 } as const;
type Case = (typeof cases)[number];
const roundingOf = ({ launch }: Case): number => ROUNDING[(launch.work as Product).out.dtype];

test.each(everySecond(cases).map((one) => [one.name, one] as const))('%s: rules, and float64', (_, one) => {
  expect(verifyKernel(one.kernel, h100)).toEqual([]);
  const buffers = Object.fromEntries(Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]));
  interpret(one.kernel, { buffers, uniforms: one.bound, grid: gridOf(one.launch, one.bound) });
  expect(worstError(buffers[one.out]!, one.expected)).toBeLessThan(roundingOf(one));
});

describe.skipIf(!hasCompiler('g++'))('CUDA source run on the CPU', () => {
  test('agrees with float64', { timeout: 300_000 }, () => {
    const some = everyNth(2, cases);
    const close = runOnCpu(some).map((actual, index) => [
      some[index]!.name,
      worstError(actual, some[index]!.expected) < roundingOf(some[index]!),
    ]);
    expect(close).toEqual(some.map(({ name }) => [name, true]));
  });

  const FAULTS: readonly (readonly [what: string, from: string | RegExp, to: string, of: string])[] = [
    [
      'products are not shown what threads have put',
      '    show_results();\n    brought();',
      '    brought();',
      'forward',
    ],
    ['a tile is there when one warp says so', 'UNPACKS ? 1 + 4 : 1', 'UNPACKS ? 1 + 1 : 1', 'forward'],
    ['16 bytes lie elsewhere in a row', '+ i) ^ turn) * 16', '+ i)) * 16', 'forward'],
    [
      'the scale of the next block',
      'plain_number(scales[place])',
      'plain_number(scales[place + 1])',
      'forward',
    ],
    ['the zero point of its neighbour', 'block % 2 == 0 ?', 'block % 2 != 0 ?', 'forward'],
    ['words of the first 64 columns for the next', 'col + n / 64 * 64', 'col', 'dx_of_siblings'],
    ['the words of the tile before', 'load<TRANSPOSED_B>(next_tile, b, col, k + 64);', '', 'forward'],
    [
      'words are unpacked to where a tile still stands',
      /(next_tile, b, col, k \+ 64\);\s+)await\(&empty\[stage\], round \^ 1\);/,
      '$1',
      'forward',
    ],
    [
      'warps do not say that a tile was brought that they did not unpack',
      'if (UNPACKS) brought();',
      '',
      'forward',
    ],
  ];
  test.each(EVERYTHING ? everySecond(FAULTS) : FAULTS.slice(0, 1))(
    'a fault is found: %s',
    { timeout: 300_000 },
    (_, from, to, of) => {
      const one = cases.find(({ name }) => name.startsWith(`groups_${of}`))!;
      let found = false;
      const change = (text: string) => {
        const other = text.replace(from, to);
        found ||= other !== text;
        return other;
      };
      const error = (): number => {
        try {
          return worstError(runOnCpu([one], { change })[0]!, one.expected);
        } catch (ended) {
          if (String(ended).includes('error:')) throw ended;
          return Number.POSITIVE_INFINITY; // it waits for ever, or does what an instruction forbids
        }
      };
      expect(error()).toBeGreaterThan(1e-3);
      expect(found).toBe(true);
    },
  );
});

test('they are emitted where they are predicted to take less time than mma.sync, cut where that is', () => {
  const launch = { ...large(true, { bits: 4, block: 32, table: null }, true), schedule: PLANNED };
  const chosen = (tokens: number, device = h100) =>
    loweringFor({ device, tokens, adapters: 1 }, ['sm_90a'])
      .of(launch)
      .some(({ warpgroups }) => warpgroups !== undefined);
  // a wave of 128 blocks of 256 rows, of which few rows leave most without work
  expect([128, 512, 1024, 2048, 4096].map((tokens) => chosen(tokens))).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
  // where lanes are slow it is unpacking that counts: tiles are cut until all lanes unpack
  const slow = { ...h100, flops: { ...h100.flops, f32: 1e12 } };
  expect(chosen(4096, slow)).toBe(true);
  expect(chosen(200, slow)).toBe(false);
});

test('blocks of less than 16 bytes are not for warpgroups', () => {
  const { launch } = packedCases('bf16').find(({ name }) => name.includes('small_blocks'))!;
  const schedule = { ...cases[0]!.launch.schedule };
  expect(whyNoWarpgroups(launch.work as Product, schedule)).toMatch(
    /blocks of w, which is packed, have no whole 16 bytes/,
  );
});

/** What a plan has for many rows. */
const PLANNED = {
  BM: 128,
  BN: 256,
  BK: 64,
  TM: 64,
  TN: 256,
  vec: 4,
  stages: 4,
  warps: 12,
  splitK: 1,
} as const;

/** y of 4096 numbers from as many, or dx: with the tiles that are emitted for them. */
function large(transposed: boolean, how: Pick<Packed, 'bits' | 'block' | 'table'>, zeros: boolean): Launch {
  const [rows, dtype] = ['M', 'bf16'] as const;
  const packed: Packed = {
    ...how,
    scales: { buffer: 'scales', dtype, offset: 0 },
    zeros: zeros ? { buffer: 'zeros', dtype: 'u8', offset: 0 } : null,
  };
  const w = { ...dense('w', dtype, 4096, 4096), packed };
  const side = (of: MatrixRef) => (transposed ? plain(of) : flipped(of));
  const work: Product = {
    kind: 'product',
    rows,
    cols: 4096,
    segments: [
      { a: plain(dense('x', dtype, rows, 4096)), b: transposed ? flipped(w) : plain(w), inner: 4096 },
      {
        a: plain(dense('p', dtype, rows, 16)),
        b: side(transposed ? dense('l', dtype, 16, 4096) : dense('l', dtype, 4096, 16)),
        inner: 16,
      },
    ],
    out: dense('y', dtype, rows, 4096),
    epilogue: { scale: 1, accumulate: false },
    parts: 1,
  };
  const schedule = packedGroups(work, PLANNED)!;
  const name = `${transposed ? 'y' : 'dx'}_${how.bits}_${how.table ?? 'whole'}`;
  const predicted = { flops: 0, bytes: 0, seconds: 0 };
  return { name, family: 'gemm', schedule, work, predicted, does: name };
}

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles them without spills, and their products are those of other weights', {
    timeout: 300_000,
  }, () => {
    const kernels = allOrFirst([
      large(true, { bits: 4, block: 32, table: null }, true),
      large(false, { bits: 4, block: 64, table: 'nf4' }, false),
      large(false, { bits: 8, block: 32, table: null }, true),
    ]).map(kernelOf);
    for (const kernel of kernels) expect(verifyKernel(kernel, h100)).toEqual([]);
    for (const { kernel, registers, spills, loop, loading } of compileCuda(kernels, 'sm_90a')) {
      expect(loop).toMatchObject({ kind: 'HGMMA', products: 4, spills: 0 });
      expect(loop!.instructions).toBeLessThan(110);
      expect(spills).toBe(0);
      // what five warpgroups have, neither more nor less
      expect(registers).toBe(96);
      const own = kernels.find(({ name }) => name === kernel)!;
      const each = own.arrays.some(({ name }) => name.startsWith('table'))
        ? UNPACKING.codes
        : UNPACKING.whole;
      expect(loading, kernel).toBeLessThanOrEqual(64 * each);
    }
  });
});
