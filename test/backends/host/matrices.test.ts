import { describe, expect, test } from 'vitest';
import { launchesOf } from '../../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { MATRIX_SHAPES, subgroupMatrix } from '../../../src/backends/kernel/device/subgroup-matrices.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import type { DeviceProfile } from '../../../src/backends/kernel/model/types.js';
import { choose, type PlanOptions } from '../../../src/backends/kernel/plan/choose.js';
import { parseSchedules } from '../../../src/backends/kernel/plan/schedule-file.js';
import { contractionOf } from '../../support/contraction.js';
import { runDawn, validation, validationEnvironment } from '../../support/dawn.js';
import { DEVICES, profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING } from '../../support/everything.js';
import { diagnosticsOf, loadModule } from '../../support/host-module.js';
import { interpreted, wholePlan, worstOf } from '../../support/whole-plan.js';

const SKETCH = { factors: 3, in: 256, out: 96, rank: 12, inputs: [['q', 'k'], ['o']] } as const;
const laptop = profile('webgpu-laptop', 'webgpu');

function planned(options: Partial<PlanOptions>, device: DeviceProfile = laptop, halfSums = false) {
  const { tokens = 65, purpose = 'train', ...rest } = options;
  const plan = choose(contractionOf({ ...SKETCH, stored: 'oi' }), { device, tokens, purpose, ...rest });
  return loweredWgsl(plan, { halfSums });
}
const moduleOf = (options: Partial<PlanOptions>, halfSums = false): string =>
  webgpuHost(planned(options, laptop, halfSums)).find(({ path }) => path === 'index.ts')!.text;

describe('plans', () => {
  const validator = validationEnvironment();
  const devices = allOrFirst(DEVICES.filter(({ api }) => api === 'webgpu'));

  test('products of layers and dx multiply matrices in subgroups, others and few rows do not', {
    timeout: 300_000,
  }, () => {
    const kernels = devices.flatMap((device) =>
      MATRIX_SHAPES.flatMap((matrix) =>
        ([{ purpose: 'train' }, { purpose: 'serve', adapters: 3 }] as const).flatMap((how) => {
          const { type: dtype } = subgroupMatrix(matrix);
          const all = launchesOf(planned({ ...how, dtype, matrix }, device, dtype === 'f16'));
          const taken = all.filter(({ schedule }) => schedule.matrix);
          expect(taken.map(({ family }) => family)).toEqual(
            all.flatMap(({ family }) => (family === 'gemm' ? family : [])),
          );
          expect(taken.length).toBeGreaterThan(2);
          expect(taken.every(({ schedule }) => (schedule.halfSums ?? false) === (dtype === 'f16'))).toBe(
            true,
          );
          const own = taken.map((launch) => kernelOf(launch));
          expect(own.flatMap((kernel) => verifyKernel(kernel, device))).toEqual([]);
          const few = launchesOf(planned({ ...how, dtype, matrix, tokens: 4 }, device));
          // on a processor few rows have tiles too
          if (device.name !== 'software') expect(few.some(({ schedule }) => schedule.matrix)).toBe(false);
          expect(launchesOf(planned({ ...how, dtype }, device)).some(({ schedule }) => schedule.matrix)).toBe(
            false,
          );
          return own;
        }),
      ),
    );
    if (!validator) return;
    const answers = runDawn('null', validator, kernels.map(validation));
    expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
  });

  test.each([
    ['whole weights', laptop, 2],
    // of 1280 numbers, read in slices
    ['slices', { ...laptop, bindingBytes: 1100 }, 9],
  ] as const)('a step agrees with float64, %s', (_, device, least) => {
    const sketch = { factors: 3, in: 20, out: 64, rank: 4, inputs: [['q', 'k']], stored: 'io' } as const;
    const whole = wholePlan(sketch, {
      device,
      tokens: 37,
      purpose: 'train',
      strategy: 'split',
      matrix: 'f32-8x8x8',
    });
    const taken = whole.launches.filter(({ schedule }) => schedule.matrix);
    expect(taken.length).toBeGreaterThan(least);
    for (const launch of whole.launches)
      expect(verifyKernel(kernelOf(launch), device), launch.name).toEqual([]);
    const { name, error } = worstOf(whole, interpreted(whole));
    expect(error, name).toBeLessThan(2e-6);
    expect(error, name).toBeGreaterThan(0);
  });

  test('widths that are not multiples of four, and a device that does not have them, take other kernels', () => {
    const options = { tokens: 65, purpose: 'train', matrix: 'f32-8x8x8' } as const;
    const odd = choose(contractionOf({ ...SKETCH, out: 97 }), { ...options, device: laptop });
    expect(launchesOf(odd).some(({ schedule }) => schedule.matrix)).toBe(false);
    const without = { ...laptop, features: ['subgroups'] };
    expect(launchesOf(planned(options, without)).some(({ schedule }) => schedule.matrix)).toBe(false);
  });

  test('schedules of a file', () => {
    const row = (schedule: object) =>
      JSON.stringify({
        version: 1,
        rows: [
          { target: 'webgpu-laptop', dtype: 'f16', family: 'gemm', bucket: 'any', source: 'tuned', schedule },
        ],
      });
    const tiles = { BM: 32, BN: 32, BK: 32, TM: 16, TN: 16, vec: 4, stages: 2, warps: 4, splitK: 1 };
    const read = (schedule: object) => parseSchedules(row(schedule), 'rows.json', ['webgpu-laptop']);
    const schedules = read({ ...tiles, matrix: 'f16-16x16x16' });
    const layers = planned({ dtype: 'f16', matrix: 'f16-16x16x16', schedules });
    expect(launchesOf(layers).filter(({ schedule }) => schedule.matrix)[0]!.schedule).toMatchObject(tiles);
    expect(() => read({ ...tiles, matrix: 'f16-4x4x4' })).toThrowError(/LOTR6007.*"matrix" is not f32-8x8x8/);
  });
});

describe('the module', () => {
  const text = moduleOf({ dtype: 'f16', matrix: 'f16-8x8x8' });
  const config = { componentType: 'f16', resultComponentType: 'f32', M: 8, N: 8, K: 8 };
  const halves = { ...config, resultComponentType: 'f16' };
  const adapter = (configs: readonly object[], least = 32, most = 32) => ({
    features: new Set([
      'shader-f16',
      'subgroups',
      'subgroup-size-control',
      'chromium-experimental-subgroup-matrix',
    ]),
    limits: {},
    info: { subgroupMatrixConfigs: configs, subgroupMinSize: least, subgroupMaxSize: most },
  });

  test('asks for the feature, and only for those that its kernels use', async () => {
    const { requirements } = await loadModule(text);
    expect(requirements().requiredFeatures).toEqual([
      'shader-f16',
      'subgroups',
      'chromium-experimental-subgroup-matrix',
    ]);
    expect(moduleOf({ dtype: 'f16' })).not.toMatch(/subgroup/i);
  });

  test('says what the adapter lists in place of what it needs', async () => {
    const { missing } = await loadModule(text);
    expect(missing(adapter([halves, config]))).toEqual([]);
    expect(missing(adapter([halves, { ...config, K: 16 }]))).toEqual([
      'subgroup matrices f16 to f32, 8x8x8 (it lists f16 to f16, 8x8x8; f16 to f32, 8x8x16)',
    ]);
    expect(missing(adapter([config], 16, 32))).toEqual(['subgroups of 32 (it has 16 to 32)']);
    const { missing: ofHalves } = await loadModule(moduleOf({ dtype: 'f16', matrix: 'f16-8x8x8' }, true));
    expect(ofHalves(adapter([halves]))).toEqual([]);
    expect(ofHalves(adapter([config]))).toHaveLength(1);
  });

  test('asks for subgroups of 32 where devices have several sizes', async () => {
    const { missing, requirements } = await loadModule(moduleOf({ dtype: 'f16', matrix: 'f16-8x16x16' }));
    expect(requirements().requiredFeatures).toContain('subgroup-size-control');
    const xe = { ...config, N: 16, K: 16 };
    expect(missing(adapter([xe], 16, 32))).toEqual([]);
    expect(missing(adapter([xe], 8, 16))).toEqual(['subgroups of 32 (it has 8 to 16)']);
  });

  test('refuses a device whose adapter does not list it, or says nothing', async () => {
    const { createAdapters } = await loadModule(text);
    const { info, ...device } = adapter([halves]);
    await expect(createAdapters({ ...device, adapterInfo: info })).rejects.toThrowError(
      /lacks subgroup matrices f16 to f32, 8x8x8 \(it lists f16 to f16, 8x8x8\)/,
    );
    await expect(createAdapters(device)).rejects.toThrowError(/\(it lists none\), subgroups of 32/);
  });

  test.runIf(EVERYTHING)('is right for TypeScript', { timeout: 60_000 }, () => {
    expect(diagnosticsOf({ 'index.ts': text })).toEqual({ 'index.ts': [] });
  });
});
