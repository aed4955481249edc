import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import { HIP_DEVICES } from '../../../src/backends/kernel/device/hip-devices.js';
import type { KernelDtype, KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { hasCompiler } from '../../support/compilers.js';
import { contractionOf } from '../../support/contraction.js';
import { type CudaCall, runLibrary } from '../../support/cuda-host.js';
import { profile } from '../../support/devices.js';
import { hipHost } from '../../support/emitted-files.js';
import { allOrFirst, EVERYTHING, everySecond } from '../../support/everything.js';
import { compileHost, compileKernels, hasHip } from '../../support/hip.js';
import { contraction, type Layers, reference, STEPPING } from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { packedContraction } from '../../support/packed-layers.js';
import { allPlaces, EXACT, elementsOf, inputsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const device = profile('mi300x', 'hip');
const written = (plan: KernelPlan, optimizer: OptimizerKind = 'adamw') =>
  hipHost(plan, ['gfx942', 'gfx90a'], { optimizer });

type Training = readonly [
  string,
  AdapterSpec,
  StrategyKey,
  number,
  number,
  {
    readonly dtype: KernelDtype;
    readonly bound: number;
    readonly size?: Layers;
    readonly optimizer?: OptimizerKind;
  },
];
const EVEN: Layers = { in: 72, out: 88, rank: 8 };
const TRAINING: readonly Training[] = [
  ['lotr, sums in parts', LOTR, 'split', 300, 41, { dtype: 'f32', bound: EXACT }],
  ['lora in bfloat16, in vectors', LORA, 'split', 300, 70, { dtype: 'bf16', bound: 1e-2, size: EVEN }],
  ['lora in float16, Lion', LORA, 'split', 13, 70, { dtype: 'f16', bound: 2e-3, optimizer: 'lion' }],
];
const MORE: typeof TRAINING = [
  ['vera, merged weights', VERA, 'merged', 64, 9, { dtype: 'f32', bound: EXACT }],
  ['lotr in vectors', LOTR, 'split', 300, 65, { dtype: 'f32', bound: EXACT, size: EVEN }],
  ['lotr in bfloat16', LOTR, 'split', 300, 41, { dtype: 'bf16', bound: 1e-2 }],
  ['lotr in float16, in vectors', LOTR, 'split', 13, 70, { dtype: 'f16', bound: 2e-3, size: EVEN }],
  ['lora, SGD', LORA, 'split', 13, 70, { dtype: 'f32', bound: EXACT, optimizer: 'sgd' }],
];

describe.skipIf(!hasCompiler('g++'))('the C library for HIP, its kernels on the CPU', () => {
  const agrees = (...[, spec, strategy, planned, tokens, how]: Training) => {
    const { dtype, bound, size, optimizer = 'adamw' } = how;
    const found = contraction(spec, undefined, size);
    const plan = choose(found, { device, tokens: planned, purpose: 'train', strategy, dtype });
    const files = written(plan, optimizer);
    expect(files.some(({ path, text }) => path.endsWith('.hip') && text.includes('put_4('))).toBe(
      size !== undefined,
    );
    const tensors = tensorsOf(allPlaces(plan), 5);
    const inputs = inputsOf(plan, tokens);
    const { pass, read, stepped, adapter, check } = twoPasses(found, plan, tensors, inputs, optimizer);
    const step: CudaCall = ['step', optimizer, STEPPING[optimizer]!.numbers];
    const reading = (name: string, as = name): CudaCall => ['read', name, elementsOf(plan, name, tokens), as];
    const answer = runLibrary(files, tokens, [
      ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
      ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
      ...pass,
      ...read.map((name) => reading(name)),
      step,
      ...stepped.map((name) => reading(name)),
      ...pass,
      ...read.map((name) => reading(name, `${name} again`)),
      step,
      ...stepped.map((name) => reading(name, `${name} twice`)),
      ...adapter.map(([name, count]): CudaCall => ['get', name, count, `factor ${name}`]),
    ]);
    expect(answer.messages).toEqual([]);
    check(answer.reads, bound);
  };
  const title = '%s: forward, backward and a step agree with float64';
  test.each(TRAINING)(title, { timeout: 300_000 }, agrees);
  test.skipIf(!EVERYTHING).each(everySecond(MORE))(title, { timeout: 300_000 }, agrees);

  test('serving in memory of the caller, with merge and unmerge, agrees with float64; wrong calls are refused', {
    timeout: 300_000,
  }, () => {
    const found = contraction(LOTR, undefined, EVEN);
    const plan = choose(found, { device, tokens: 40, purpose: 'serve', merging: true, dtype: 'f16' });
    const tensors = tensorsOf(allPlaces(plan), 3);
    const rows = 33;
    const inputs = Object.fromEntries(
      ['x_0', 'x_1'].map((name, n) => [name, values(rows * EVEN.in, 31 + n)]),
    );
    let layer = 0;
    const layers = found.regions.map(({ layers: own }) => own.map(() => `y_${layer++}`));
    const forward = (when: string): CudaCall[] =>
      found.regions.map(({ input }, region) => [
        'forward_at',
        region,
        rows,
        inputs[`x_${input}`]!,
        layers[region]!.map((name) => [`${name} ${when}`, rows * EVEN.out]),
      ]);
    const answer = runLibrary(written(plan), 40, [
      ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
      ...forward('before'),
      ['merge'],
      ...forward('merged'),
      ['merge'],
      ['unmerge'],
      ...forward('after'),
      ['forward', 9],
      ['set', 'nobody', [1]],
    ]);
    expect(answer.messages).toEqual([
      '2: the adapter is in the weights already',
      '1: there is no region 9, only 2',
      '1: there is no tensor nobody here',
    ]);
    const expected = reference(found, tensors, inputs);
    for (const name of layers.flat())
      for (const when of ['before', 'merged', 'after'])
        expect(
          worstError(answer.reads[`${name} ${when}`]!, expected[name]!.flat()),
          `${name} ${when}`,
        ).toBeLessThan(2e-3);
  });
});

/** Kernels that multiply tiles of 128 x 128, eight waves or four of them. */
const LARGE = ['layer_0', 'dx_0'];

describe.skipIf(!hasHip())('clang', () => {
  test.each(
    allOrFirst([
      ['gfx90a', 'f32', 1024],
      ['gfx1100', 'bf16', 1024],
      ['gfx942', 'f16', 1021],
    ] as const),
  )(
    'compiles the library for %s, %s, width %i without a warning, no kernel of which has registers in memory',
    { timeout: 300_000 },
    (arch, dtype, width) => {
      const sketch = {
        factors: 3,
        in: width,
        out: width,
        rank: 16,
        inputs: [['q', 'k', 'v'], ['o']],
      } as const;
      const own = HIP_DEVICES.find(({ target }) => target === arch)!;
      const found = { ...contractionOf(sketch), dtype };
      const plan = choose(found, { device: own, tokens: 4096, purpose: 'train', strategy: 'split' });
      const files = hipHost(plan, [arch]);
      compileHost(files, 'adapters.hip', arch);
      // one kernel of each kind: the others differ in names
      const kinds = new Set<string>();
      const some = files.flatMap(({ path }) => {
        const kind = path.replace(/_?\d+/, '');
        return path.endsWith('.hip') && path !== 'adapters.hip' && !kinds.has(kind) && kinds.add(kind)
          ? [path]
          : [];
      });
      const kernels = compileKernels(files, some, arch);
      expect(kernels.map(({ name }) => `kernels/${name}.hip`).sort()).toEqual([...some].sort());
      for (const { name, registers, scratch, sharedBytes } of kernels) {
        expect(scratch, name).toBe(0);
        expect(registers, name).toBeGreaterThan(0);
        // two waves for each of the four units that have 512 registers (of 64 lanes) or 1,536 (of 32)
        expect(registers, name).toBeLessThanOrEqual(256);
        // two workgroups on a unit
        expect(sharedBytes, name).toBeLessThanOrEqual(32 << 10);
      }
      for (const name of LARGE) {
        const { text } = kernels.find((kernel) => kernel.name === name)!;
        expect(text, name).toMatch(/ds_(read|load)_b128/);
        if (width % 8 === 0) {
          expect(text, name).toMatch(/global_load_(dwordx4|b128)/);
          expect(text, name).toMatch(/ds_(write|store)_b128/);
        }
      }
    },
  );

  test.skipIf(!EVERYTHING).each([
    ['rows with adapters of their own', { adapters: 32, mostRank: 16 }, null],
    ['several adapters in a batch', { adapters: 3 }, null],
    ['packed weights', {}, { bits: 4, block: 32, scales: 'f32', zeros: 'u8', out: 64 }],
  ] as const)(
    'compiles kernels of %s without registers in memory',
    { timeout: 300_000 },
    (_, batch, packed) => {
      const sketch = { factors: 3, in: 1024, out: 1024, rank: 16, inputs: [['q', 'k', 'v'], ['o']] } as const;
      const found = packed ? packedContraction(LOTR, packed, 8) : contractionOf(sketch);
      const plan = choose(found, { device, tokens: 64, purpose: 'serve', dtype: 'bf16', ...batch });
      const files = hipHost(plan, ['gfx1100']);
      const some = files.flatMap(({ path }) => (/^kernels\/.*\.hip$/.test(path) ? [path] : []));
      const kernels = compileKernels(files, some, 'gfx1100');
      expect(kernels.map(({ name, scratch }) => [name, scratch])).toEqual(
        kernels.map(({ name }) => [name, 0]),
      );
      expect(kernels.length).toBe(some.length);
      for (const { name, text } of packed ? kernels.filter(({ name }) => name.startsWith('layer')) : []) {
        // x, words and tiles
        expect(text, name).toMatch(/global_load_b128/);
        expect(text, name).toMatch(/ds_store_b128/);
      }
    },
  );
});
