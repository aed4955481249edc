import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import type { KernelDtype, KernelPlan, UnitRounding } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, compileLibrary, runLibrary } from '../../support/cuda-host.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { EVERYTHING } from '../../support/everything.js';
import { contraction, IN, type Layers, OUT, RANK, reference, STEPPING } from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { allPlaces, EXACT, elementsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const device = profile('h100', 'cuda');
const written = (plan: KernelPlan) => cudaHost(plan, ['sm_80', 'sm_90a']);

const ODD: Layers = { in: IN, out: OUT, rank: RANK, apart: false };
/** rows begin at multiples of 16 bytes, so that kernels copy them in vectors; the border has zeros at its end */
const EVEN: Layers = { in: 32, out: 24, rank: 12, apart: false };

interface How {
  readonly dtype: KernelDtype;
  readonly rounding?: UnitRounding;
  /** largest error: what the type rounds away */
  readonly bound: number;
}
const F32: How = { dtype: 'f32', bound: EXACT };
const BF16: How = { dtype: 'bf16', bound: 1e-2 };
const F16: How = { dtype: 'f16', bound: 2e-3 };
const TF32: How = { dtype: 'f32', rounding: 'tf32', bound: 2e-3 };

type Training = readonly [string, AdapterSpec, Layers, number, number, How];
const TRAINING: readonly Training[] = [
  ['lotr, sums in parts, for other numbers of tokens than planned', LOTR, ODD, 300, 41, F32],
  ['lotr, regions that add to one dx', LOTR, { ...ODD, apart: true }, 64, 9, F32],
  ['lotr, one token', LOTR, EVEN, 1, 1, F32],
  ['lora in bfloat16, first factors side by side in one border, rows of 16 bytes', LORA, EVEN, 40, 33, BF16],
];
const MORE: typeof TRAINING = [
  ['lora, first factors side by side in one border', LORA, ODD, 13, 70, F32],
  ['lotr in bfloat16', LOTR, ODD, 300, 41, BF16],
  ['lora in float16', LORA, ODD, 13, 70, F16],
  ['lotr in tf32', LOTR, ODD, 300, 41, TF32],
];

/** Buffers of x and dy, with the names that `reference` has for them. */
function inputsOf(plan: KernelPlan) {
  const x = plan.regions.map(({ region }, index) => [`xb_${index}`, `x_${region.input}`] as const);
  const layers = plan.regions.flatMap(({ region }) => region.layers);
  const dy = plan.purpose === 'train' ? layers.map((_, i) => [`dyb_${i}`, `dy_${i}`] as const) : [];
  return [...x, ...dy];
}

/** Weights, factors and inputs of a plan, and the calls that set them. */
function filled(plan: KernelPlan, tokens: number) {
  const tensors = tensorsOf(allPlaces(plan), 5);
  const inputs: Record<string, Float32Array> = {};
  for (const [index, [buffer, name]] of inputsOf(plan).entries())
    inputs[name] ??= values(elementsOf(plan, buffer, tokens), 50 + index);
  const calls = [
    ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
    ...inputsOf(plan).map(([buffer, name]): CudaCall => ['write', buffer, inputs[name]!]),
  ];
  return { tensors, inputs, calls };
}

describe.skipIf(!hasCompiler('g++'))('bordered weights with cuBLASLt, on the CPU', () => {
  const agrees = (...[, spec, sizes, planned, tokens, { dtype, rounding, bound }]: Training) => {
    const found = contraction(spec, ['q', 'k', 'o'], sizes);
    expect(found.regions.map(({ input }) => input)).toEqual(sizes.apart ? [0, 0, 1] : [0, 1]);
    const rounded = rounding ? { rounding } : {};
    const options = { device, tokens: planned, purpose: 'train', strategy: 'bordered', dtype } as const;
    const plan = choose(found, { ...options, ...rounded });
    const files = written(plan);
    const { tensors, inputs, calls } = filled(plan, tokens);
    const { pass, read, stepped, adapter, check } = twoPasses(found, plan, tensors, inputs);
    const reading = (name: string, as = name): CudaCall => ['read', name, elementsOf(plan, name, tokens), as];
    const step: CudaCall = ['step', 'adamw', STEPPING.adamw!.numbers];
    const answer = runLibrary(files, tokens, [
      ...calls,
      ...pass,
      ...read.map((name) => reading(name)),
      ...inputsOf(plan).map(([buffer]) => reading(buffer)),
      step,
      ...stepped.map((name) => reading(name)),
      // the borders of weights are made again of the stepped factors
      ...pass,
      ...read.map((name) => reading(name, `${name} again`)),
      step,
      ...stepped.map((name) => reading(name, `${name} twice`)),
      ...adapter.map(([name, count]): CudaCall => ['get', name, count, `factor ${name}`]),
    ]);
    expect(answer.messages).toEqual([]);
    // P and dP are next to x and dy
    if (bound === EXACT)
      for (const [buffer, name] of inputsOf(plan)) expect(answer.reads[buffer]).toEqual(inputs[name]);
    check(answer.reads, bound);
  };
  const title = '%s: forward, backward and a step agree with float64';
  test.each(TRAINING)(title, { timeout: 300_000 }, agrees);
  test.skipIf(!EVERYTHING).each(MORE)(title, { timeout: 300_000 }, agrees);

  test('serving: another adapter, and refusals of cuBLASLt and of wrong calls with a reason', {
    timeout: 300_000,
  }, () => {
    const found = contraction(LOTR);
    const plan = choose(found, { device, tokens: 7, purpose: 'serve', strategy: 'bordered', dtype: 'f32' });
    const files = written(plan);
    const { tensors, inputs, calls } = filled(plan, 7);
    const R = found.regions[0]!.layers[0]!.factors[0]!;
    const other = values(IN * RANK, 77);
    const outputs = ['yb_0', 'yb_1', 'yb_2'];
    const pass = (when: string): CudaCall[] => [
      ['forward', 0],
      ['forward', 1],
      ...outputs.map((name): CudaCall => ['read', name, 7 * OUT, `${name} ${when}`]),
    ];
    const answer = runLibrary(files, 7, [
      ...calls,
      ...pass('before'),
      ['set', R, other],
      ...pass('after'),
      ['refuse', 'CUBLAS_STATUS_INTERNAL_ERROR'],
      ['forward', 1],
      ['refuse', 'CUBLAS_STATUS_ALLOC_FAILED'],
      ['forward', 0],
      ['write', 'xb_0', values(7 * (IN + 8), 1)],
      ['row', 'xb_0'],
      ['row', 'yb_0'],
      ['row', R],
      ['row', 'Wb_0'],
      ...pass('at last'),
    ]);
    expect(answer.messages).toEqual([
      '5: forward: cublasLtMatmul of layer_2: CUBLAS_STATUS_INTERNAL_ERROR',
      '3: forward: cublasLtMatmul of layer_0: CUBLAS_STATUS_ALLOC_FAILED',
      `1: xb_0 has ${7 * IN} numbers, not ${7 * (IN + 8)}`,
      `${IN} of ${IN + 8}`,
      `${OUT} of ${OUT}`,
      `1: there is no buffer ${R}`,
      '0 of 0',
      '1: Wb_0 has no row for each token',
      '0 of 0',
    ]);
    const before = reference(found, tensors, inputs);
    const after = reference(found, { ...tensors, [R]: other }, inputs);
    for (const name of outputs) {
      for (const [when, expected] of [
        ['before', before],
        ['after', after],
        ['at last', after],
      ] as const) {
        const wanted = expected[name.replace('yb', 'y')]!.flat();
        expect(worstError(answer.reads[`${name} ${when}`]!, wanted), `${name} ${when}`).toBeLessThan(2e-6);
      }
    }
  });
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test('compiles calls of cuBLASLt for every architecture without a warning', { timeout: 300_000 }, () => {
    const options = { device, tokens: 7, purpose: 'train', strategy: 'bordered', dtype: 'bf16' } as const;
    const files = written(choose(contraction(LOTR), options));
    // its kernels are those of other forms
    compileLibrary(files, ['adapters.cu'], ['sm_90a', 'sm_80', 'sm_120', 'sm_100']);
  });
});

test('cuBLASLt is linked only where it is called', () => {
  const made = (strategy: 'bordered' | 'split', rounding?: UnitRounding) => {
    const options = {
      device,
      tokens: 7,
      purpose: 'train',
      strategy,
      dtype: 'f32',
      ...(rounding ? { rounding } : {}),
    } as const;
    const files = cudaHost(choose(contraction(LOTR), options), ['sm_80']);
    const all = files.filter(({ path }) => !path.startsWith('ort/') && !path.endsWith('.cuh'));
    return (wanted: RegExp) => all.filter(({ text }) => wanted.test(text)).map(({ path }) => path);
  };
  expect(made('bordered')(/cublas/i)).toEqual(['adapters.h', 'adapters.cu', 'CMakeLists.txt']);
  expect(made('split')(/cublas|border|transposed/i)).toEqual([]);
  expect(made('bordered')(/FAST_TF32/)).toEqual([]);
  expect(made('bordered', 'tf32')(/CUBLAS_COMPUTE_32F_FAST_TF32/)).toEqual(['adapters.cu']);
  expect(made('bordered', 'tf32x3')(/FAST_TF32/)).toEqual([]);
});
