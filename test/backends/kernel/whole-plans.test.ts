import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { loweredPlan } from '../../../src/backends/host/cuda/lower.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { ScheduleRow } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { hasCompiler } from '../../support/compilers.js';
import { contractionOf } from '../../support/contraction.js';
import { runSequences } from '../../support/cuda.js';
import { profile } from '../../support/devices.js';
import { type Drawn, draw } from '../../support/draw.js';
import { allOrFirst, everyNth } from '../../support/everything.js';
import { interpreted, wholePlan, worstOf } from '../../support/whole-plan.js';

/** UnitRounding of operands and of what a launch hands to the next, over the largest number of a result. */
const ALLOWED = { f32: 2e-6, tf32: 3e-3, f16: 3e-3, bf16: 2e-2 } as const;
const allowedFor = ({ options: { dtype, rounding } }: Drawn) => ALLOWED[rounding ? 'tf32' : dtype!];

/** LoRA with a vector along the rank. */
const RANK_VECTOR = {
  method: 'rank-vector',
  delta: 'ir,r,ro->io',
  factors: [LORA.factors[0]!, { ...LORA.factors[1]!, name: 'd' }, LORA.factors[1]!],
};

/** Half of them outside of CI. More of them: `LOTRC_DRAWS=10 npx vitest run test/backends/kernel/whole-plans.test.ts` draws ten times as many. */
const MORE = Number(process.env.LOTRC_DRAWS ?? 1);

describe.each([
  ['webgpu', 8 * MORE],
  ['cuda', 6 * MORE],
  ['hip', 4 * MORE],
] as const)('a step of layers drawn at random, planned for %s', (api, count) => {
  const drawn = everyNth(
    2,
    Array.from({ length: count }, (_, seed) => draw(seed, api)),
  );

  test.each(drawn.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const whole = wholePlan(one.sketch, one.options);
    for (const launch of whole.launches) {
      expect(verifyKernel(kernelOf(launch), one.options.device)).toEqual([]);
    }
    const { name, error } = worstOf(whole, interpreted(whole));
    expect(error, name).toBeLessThan(allowedFor(one));
    expect(error, name).toBeGreaterThan(0);
  });
});

describe('several adapters in a batch, token form', () => {
  const device = profile('webgpu-laptop', 'webgpu');
  const h100 = profile('h100', 'cuda');
  test.each([
    ['the cores of three layers are wider than a tile', 8, 70, device, 'f32', 1],
    ['a rank beyond the widest tile takes two launches', 67, 35, device, 'f32', 2],
    ['matrix units take the product by the cores', 67, 130, h100, 'bf16', 2],
  ] as const)('%s', (_, rank, tokens, on, dtype, launches) => {
    const sketch = { factors: 3, in: 11, out: 7, rank, inputs: [['q', 'k', 'v']] } as const;
    const whole = wholePlan(sketch, { device: on, dtype, tokens, purpose: 'serve', adapters: 3 });
    expect(whole.launches.length).toBe(launches + 3);
    expect(whole.bound.rowBlocks).toBeGreaterThan(1);
    for (const launch of whole.launches) expect(verifyKernel(kernelOf(launch), on)).toEqual([]);
    const { name, error } = worstOf(whole, interpreted(whole));
    expect(error, name).toBeLessThan(ALLOWED[dtype]);
  });

  test('tiles of different heights: a block of rows is a multiple of each', () => {
    const row = (family: 'skinny' | 'gemm', BM: number): ScheduleRow => ({
      target: device.target,
      dtype: 'f32',
      family,
      bucket: 'any',
      source: 'tuned',
      schedule: { BM, BN: 8, BK: 4, TM: 1, TN: 2, vec: 1, stages: 1, warps: 0, splitK: 1 },
    });
    const schedules = [row('skinny', 6), row('gemm', 8)];
    const sketch = { factors: 3, in: 5, out: 7, rank: 3, inputs: [['q']] } as const;
    const options = { device, tokens: 61, purpose: 'serve', adapters: 3, schedules } as const;
    const whole = wholePlan(sketch, options);
    expect(whole.bound).toMatchObject({ rowBlock: 24, rowBlocks: 3 });
    const { name, error } = worstOf(whole, interpreted(whole));
    expect(error, name).toBeLessThan(ALLOWED.f32);
  });
});

describe('a rank that is not a multiple of 8 keeps warpgroups', () => {
  const h100 = profile('h100', 'cuda');
  test.each(
    allOrFirst([
      ['lotr', { factors: 3, rank: 3 }],
      ['lora, layers with factors of their own side by side', { factors: 2, ownA: true, rank: 4 }],
      ['vectors in the rank', { factors: RANK_VECTOR, rank: 5 }],
    ] as const),
  )('%s: factors with zeros up to it, the same results', (_, sketch) => {
    const layers = { ...sketch, in: 64, out: 72, inputs: [['q', 'k'], ['o']] } as const;
    const options = { device: h100, dtype: 'bf16', purpose: 'train', strategy: 'split' } as const;
    const many = loweredPlan(choose(contractionOf(layers), { ...options, tokens: 1024 }), ['sm_90a']);
    const products = many.regions.flatMap(({ forward, backward }) => [...forward, ...backward]);
    const wide = products.filter(({ family }) => family === 'gemm');
    expect(wide.map(({ name, warpgroups }) => [name, warpgroups !== undefined])).toEqual(
      ['layer_0', 'layer_1', 'dx_0', 'layer_2', 'dx_1'].map((name) => [name, true]),
    );
    const whole = wholePlan(layers, { ...options, tokens: 19 });
    const { name, error } = worstOf(whole, interpreted(whole));
    expect(error, name).toBeLessThan(ALLOWED.bf16);
    expect(error, name).toBeGreaterThan(0);
  });

  test('not where widths keep warpgroups away as well', () => {
    const sketch = { factors: 3, rank: 3, in: 64, out: 41, inputs: [['q']] } as const;
    const plan = choose(contractionOf(sketch), { device: h100, dtype: 'bf16', tokens: 64, purpose: 'train' });
    expect(plan.regions[0]!.region.rank).toBe(3);
  });
});

/** Small tiles, so that small products have enough of them to be cut. */
const SMALL_TILES = (['gemm', 'skinny', 'rankBatched'] as const).flatMap((family) =>
  (['f32', 'bf16'] as const).map(
    (dtype): ScheduleRow => ({
      target: 'sm_90a',
      dtype,
      family,
      bucket: 'any',
      source: 'tuned',
      schedule: { BM: 16, BN: 16, BK: 16, TM: 16, TN: 8, vec: 4, stages: 3, warps: 2, splitK: 1 },
    }),
  ),
);
const CUT: readonly (readonly [
  dtype: 'bf16' | 'f32',
  purpose: 'train' | 'serve',
  stored: 'io' | 'oi',
  activation?: 'relu' | 'silu',
])[] = [
  ['bf16', 'train', 'io'],
  ['bf16', 'train', 'oi'],
  ['f32', 'train', 'oi'],
  ['bf16', 'serve', 'oi', 'relu'],
  ['f32', 'serve', 'io', 'silu'],
];
const cutPlan = ([dtype, purpose, stored, activation]: (typeof CUT)[number]) =>
  wholePlan(
    {
      factors: 3,
      in: 150,
      out: 130,
      rank: 5,
      inputs: [['q', 'k']],
      stored,
      ...(activation ? { activation } : {}),
    },
    {
      // a second launch costs nothing, so that small products are cut
      device: { ...profile('h100', 'cuda'), launchSeconds: 0 },
      ...{ dtype, purpose, tokens: 9, strategy: 'split', schedules: SMALL_TILES },
    },
  );

describe('products of fewer blocks than multiprocessors', () => {
  test.each(CUT.map((one) => [one.join(', '), one] as const))(
    'are cut into parts that a second launch adds: %s',
    (_, one) => {
      const whole = cutPlan(one);
      const cut = whole.launches.filter(({ work }) => work.kind === 'finish').map(({ name }) => name);
      // x R, both layers and, with a gradient, the sum of two segments dy L'^T and dx; dM sums over out
      const forward = ['down_0', 'layer_0', 'layer_1'];
      expect(cut).toEqual(one[1] === 'serve' ? forward : [...forward, 'drank_0', 'dx_0', 'gradient_dM_0']);
      for (const launch of whole.launches)
        expect(verifyKernel(kernelOf(launch), profile('h100', 'cuda'))).toEqual([]);
      const { name, error } = worstOf(whole, interpreted(whole));
      expect(error, name).toBeLessThan(ALLOWED[one[0]]);
      expect(error, name).toBeGreaterThan(0);
    },
  );
});

/** Adapters by blocks of rows: P = x R has an R for each block, in parts too. */
const cutForAdapters = (dtype: 'bf16' | 'f32') =>
  wholePlan(
    { factors: 2, in: 150, out: 130, rank: 5, inputs: [['q', 'k']] },
    {
      device: { ...profile('h100', 'cuda'), launchSeconds: 0 },
      ...{ dtype, purpose: 'serve', tokens: 61, adapters: 3, schedules: SMALL_TILES },
    },
  );

test.each(['bf16', 'f32'] as const)('products for several adapters are cut as well: %s', (dtype) => {
  const whole = cutForAdapters(dtype);
  const cut = whole.launches.filter(({ work }) => work.kind === 'finish').map(({ name }) => name);
  expect(cut).toEqual(expect.arrayContaining(['down_0', 'layer_0']));
  const { name, error } = worstOf(whole, interpreted(whole));
  expect(error, name).toBeLessThan(ALLOWED[dtype]);
  expect(error, name).toBeGreaterThan(0);
});

describe.skipIf(!hasCompiler('g++'))('the same as CUDA source on the CPU', () => {
  test('agrees with float64', { timeout: 300_000 }, () => {
    const drawn = everyNth(
      2,
      Array.from({ length: 2 * MORE }, (_, seed) => draw(100 + seed, 'cuda')),
    );
    const plans = [
      ...drawn.map((one) => ({ ...one, whole: wholePlan(one.sketch, one.options), most: allowedFor(one) })),
      ...CUT.slice(0, 2).map((one) => ({ name: one.join(', '), whole: cutPlan(one), most: ALLOWED[one[0]] })),
      { name: 'several adapters, cut', whole: cutForAdapters('bf16'), most: ALLOWED.bf16 },
    ];
    const results = runSequences(
      plans.map(({ whole: { launches, bound, buffers, expected } }) => ({
        launches,
        bound,
        buffers,
        outs: [...new Set(expected.flatMap(({ places }) => places.map(({ buffer }) => buffer)))],
      })),
    );
    const found = plans.map(({ whole, most, name: plan }, index) => {
      const { name, error } = worstOf(whole, results[index]!);
      return error < most ? 'agrees' : `${name} of ${plan}: ${error}`;
    });
    expect(found).toEqual(plans.map(() => 'agrees'));
  });
});
