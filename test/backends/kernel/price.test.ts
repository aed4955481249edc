import { describe, expect, test } from 'vitest';
import { loweredBy } from '../../../src/backends/host/shared/lower.js';
import { launchesOf } from '../../../src/backends/host/shared/tables.js';
import type {
  KernelDtype,
  Launch,
  MatrixRef,
  Packed,
  Product,
  TileSchedule,
} from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { arithmeticOf, roofline } from '../../../src/backends/kernel/plan/cost.js';
import { dense, plain } from '../../../src/backends/kernel/plan/launches.js';
import { priced, priceOf, total } from '../../../src/backends/kernel/plan/price.js';
import { libraryPrice } from '../../../src/backends/kernel/plan/product-price.js';
import { contractionOf } from '../../support/contraction.js';
import { DEVICES, profile } from '../../support/devices.js';
import { loweringOf } from '../../support/lowerings.js';

const h100 = profile('h100', 'cuda');
const h200 = profile('h200', 'cuda');
const LOAD = 0.8e-6;

/** y = x W + P L' of `tokens` rows, rank 16; `adds`: to what y is, so that threads store it. */
function layer(
  inner: number,
  cols: number,
  { dtype = 'bf16', adds = false, packed }: { dtype?: KernelDtype; adds?: boolean; packed?: Packed } = {},
): Product {
  const w: MatrixRef = { ...dense('w', dtype, inner, cols), ...(packed ? { packed } : {}) };
  return {
    kind: 'product',
    rows: 'M',
    cols,
    segments: [
      { a: plain(dense('x', dtype, 'M', inner)), b: plain(w), inner },
      { a: plain(dense('p', dtype, 'M', 16)), b: plain(dense('l', dtype, 16, cols)), inner: 16 },
    ],
    epilogue: { scale: 1, accumulate: adds },
    out: dense('y', dtype, 'M', cols),
    parts: 1,
  };
}

const launched = (work: Product, schedule: TileSchedule): Omit<Launch, 'predicted'> => ({
  name: 'y',
  family: 'gemm',
  schedule,
  work,
  does: 'y',
});

const secondsOf = (work: Product, schedule: TileSchedule, tokens: number, device = h100) =>
  priceOf(launched(work, schedule), { device, tokens }).seconds;

const tile = (
  values: Pick<TileSchedule, 'BM' | 'BN' | 'BK' | 'TM' | 'TN'> & Partial<TileSchedule>,
): TileSchedule => ({ vec: 4, stages: 1, warps: 0, splitK: 1, ...values });
const GROUPS = tile({ BM: 128, BN: 256, BK: 64, TM: 64, TN: 256, stages: 4, warps: 12 });
const SYNC = tile({ BM: 128, BN: 128, BK: 64, TM: 64, TN: 64, stages: 3, warps: 4 });
const CORES = tile({ BM: 64, BN: 64, BK: 32, TM: 4, TN: 4 });

/** Seconds of the tiles of one operand's step on a multiprocessor of the H100, at a rate. */
const stepSeconds = ({ BM, BN, BK }: TileSchedule, rate: number) => (2 * BM * BN * BK * 132) / rate;

describe('a product', () => {
  test('of warpgroups: the tiles of the busiest multiprocessor, whole steps of 16, and results that pass to shared memory and leave', () => {
    const leave = (128 * 256 * 2 * 132) / 3e12;
    for (const [tokens, tiles] of [
      [1024, 1],
      [1025, 2],
      [8192, 8],
    ] as const)
      expect(secondsOf(layer(4096, 4096), GROUPS, tokens)).toBeCloseTo(
        2e-6 + tiles * (64.25 * stepSeconds(GROUPS, 798e12) + (128 * 256 * 2) / 110e9) + leave,
        10,
      );
    // results that threads store stop each tile
    expect(secondsOf(layer(4096, 4096, { adds: true }), GROUPS, 8192)).toBeCloseTo(
      2e-6 + 8 * (64.25 * stepSeconds(GROUPS, 798e12) + leave),
      10,
    );
  });

  test('of pairs: two tiles on two multiprocessors, an odd row of tiles with nothing next to it', () => {
    const pairs = { ...GROUPS, pairs: true } as const;
    // 33 rows of 4 tiles are one for each multiprocessor; in pairs they are 68 for 66
    const [alone, paired] = [GROUPS, pairs].map((one) => secondsOf(layer(4096, 1024), one, 33 * 128));
    expect(paired! - alone!).toBeCloseTo(64.25 * stepSeconds(GROUPS, 798e12) + (128 * 256 * 2) / 110e9, 10);
  });

  test('is as fast as what it multiplies with: mma.sync on a device with warpgroups, and CUDA cores', () => {
    const work = layer(4096, 4096);
    const whole = 65;
    // 32 x 8 blocks on 132 multiprocessors, two on each, of which one stores while the other multiplies
    expect(secondsOf(work, SYNC, 1024)).toBeCloseTo(
      2e-6 + 2 * whole * stepSeconds(SYNC, 0.74 * 798e12) + (128 * 128 * 2 * 132) / 3e12,
      10,
    );
    // 32 rows: 64 blocks, each for itself; without a ring each loads, and then multiplies
    const steps = 128.5 + 0.5;
    expect(secondsOf(work, CORES, 32)).toBeCloseTo(
      2e-6 + steps * (LOAD + stepSeconds(CORES, 50e12)) + (32 * 64 * 2 * 132) / 3e12,
      10,
    );
  });

  test('of few blocks waits for its loads, less with more stages or more blocks next to it', () => {
    const small = tile({ BM: 64, BN: 64, BK: 64, TM: 32, TN: 32, warps: 4 });
    const at = (stages: number, parts: number) =>
      secondsOf({ ...layer(4096, 128), parts }, { ...small, stages }, 128);
    expect(at(2, 1) - at(4, 1)).toBeCloseTo(65 * (LOAD - LOAD / 3), 10);
    // of 4 blocks to 264, of which two are on one multiprocessor
    expect(at(2, 1) - at(2, 33)).toBeCloseTo(65 * LOAD * (1 - 1 / 33), 10);
  });

  test('counts what lanes unpack, beside matrix units and before CUDA cores multiply', () => {
    const packed: Packed = {
      ...{ bits: 4, block: 32, table: null, zeros: null },
      scales: { buffer: 'scales', dtype: 'bf16', offset: 0 },
    };
    const slow = { ...h100, flops: { ...h100.flops, f32: 10e12 } };
    const lanes = 5e12 / 132;
    // ten instructions for each number of W, none for those of L'
    const unpack = (10 * 4096 * 128) / lanes;
    const seconds = secondsOf(layer(4096, 4096, { packed }), SYNC, 128, slow);
    expect(seconds).toBeCloseTo(2e-6 + unpack + (128 * 128 * 2 * 132) / 3e12, 10);
    const [bare, other] = [
      secondsOf(layer(4096, 4096), CORES, 2048, slow),
      secondsOf(layer(4096, 4096, { packed }), CORES, 2048, slow),
    ];
    // 32 x 64 blocks: 16 on the busiest multiprocessor
    expect(other - bare).toBeCloseTo((16 * 10 * 4096 * 64) / lanes, 9);
  });
});

/**
 * What these kernels took on an H200 (bench/gpu/results, each a launch of a profile): blocks of warpgroups that compute one
 * tile each, whose results threads stored. The clock was lowered in the longest one. Blocks of few steps took longer than what is counted here.
 */
test.each([
  [4096, 1024, 256, 50.5, 0.1],
  [4096, 2048, 256, 98.6, 0.1],
  [4096, 8192, 256, 388.1, 0.1],
  [768, 8192, 256, 30.6, 0.3],
  [768, 8192, 128, 26.4, 0.35],
] as const)('the layer of %i, %i rows, tiles of 128 x %i: near %d us', (width, tokens, BN, micro, off) => {
  const schedule = { ...GROUPS, BN, TN: BN, stages: BN === 128 ? 6 : 4 };
  const seconds = secondsOf(layer(width, width, { adds: true }), schedule, tokens, h200);
  expect(Math.abs(1e6 * seconds - micro) / micro).toBeLessThan(off);
});

test("CUDA cores took 116 us for a layer of 32 rows on it, where the device's rate alone says 10", () => {
  const work = layer(4096, 4096);
  const seconds = secondsOf(work, { ...CORES, BM: 32, TM: 1 }, 32, h200);
  expect(Math.abs(1e6 * seconds - 116) / 116).toBeLessThan(1 / 3);
  expect(roofline({ flops: 1.08e9, bytes: 34e6 }, 'bf16', h200).seconds).toBeLessThan(10e-6);
});

test('no launch of any plan is predicted to take less than the least time, and figures are those of its schedule', () => {
  const least = DEVICES.flatMap((device) =>
    [1, 70, 3000].flatMap((tokens) => {
      const dtype = device.flops.bf16 ? 'bf16' : 'f32';
      const layers = contractionOf({ factors: 3, in: 264, out: 136, rank: 5, inputs: [['q', 'k'], ['o']] });
      const plan = choose(layers, { device, tokens, dtype, purpose: 'train' });
      return launchesOf(loweredBy(loweringOf({ device, tokens, adapters: 1 }), plan)).flatMap((launch) => {
        const { work, predicted, name, family } = launch;
        if (family === 'blas') return [];
        const type = work.kind === 'product' ? arithmeticOf(work) : 'f32';
        const same = priced(launch, { device, tokens }).predicted.seconds === predicted.seconds;
        return predicted.seconds >= roofline(predicted, type, device).seconds && same
          ? []
          : [`${device.name} ${tokens} ${name}`];
      });
    }),
  );
  expect(least).toEqual([]);
});

describe('what is emitted', () => {
  const of = (work: Product, schedule: TileSchedule, tokens: number) =>
    loweringOf({ device: h100, tokens, adapters: 1 }).of(
      priced(launched(work, schedule), { device: h100, tokens }),
    );

  test('a product is cut where that is clearly faster, into no more parts than help', () => {
    const parts = (tokens: number) => {
      const [first] = of(layer(4096, 4096), { ...SYNC, BM: 128 }, tokens);
      return (first!.work as Product).parts;
    };
    expect([128, 256, 4096].map(parts)).toEqual([4, 2, 1]);
    for (const tokens of [128, 256]) {
      const whole = of(layer(4096, 4096), SYNC, tokens);
      expect(total(whole).seconds).toBeLessThan(secondsOf(layer(4096, 4096), SYNC, tokens));
    }
  });

  test('warpgroups multiply where the kernel of mma.sync, cut, is not clearly faster', () => {
    const narrow = { ...GROUPS, BN: 64, TN: 64, stages: 8 };
    const grouped = (cols: number, tokens: number) =>
      of(layer(4096, cols), narrow, tokens).some(({ warpgroups }) => warpgroups);
    // 16 blocks of 132
    expect(grouped(1024, 128)).toBe(false);
    expect(grouped(4096, 256)).toBe(true);
  });

  test('is what forms are compared by', () => {
    const layers = contractionOf({ factors: 3, in: 264, out: 136, rank: 5, inputs: [['q']] });
    const options = { device: h100, dtype: 'bf16', tokens: 1024, purpose: 'train' } as const;
    expect(choose(layers, options).regions[0]!.scheme).toBe('S1');
    // a back end that emits launches over two segments ten times
    const emitted = (launch: Launch) =>
      Array<Launch>(launch.work.kind === 'product' && launch.work.segments.length > 1 ? 10 : 1).fill(launch);
    const [region] = choose(layers, { ...options, emitted }).regions;
    expect(region).toMatchObject({ strategy: 'merged' });
    expect(region!.rejected[0]!.because).toMatch(/^predicted [\d.]+ us against [\d.]+ us, [\d.]+ us more$/);
  });
});

test('a library has the best tiles of the device, and no adapter costs less than nothing', () => {
  for (const tokens of [1, 32, 130, 1024, 8192]) {
    const work = layer(4096, 4096);
    const [x] = work.segments;
    const bare: Product = { ...work, segments: [x!] };
    const base = libraryPrice(bare, { device: h100, tokens }).seconds;
    for (const schedule of [GROUPS, SYNC, CORES])
      expect(secondsOf(work, schedule, tokens), `${tokens} rows`).toBeGreaterThan(base);
  }
});
