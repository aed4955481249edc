import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { loweredPlan } from '../../../src/backends/host/cuda/lower.js';
import { placesOf } from '../../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import type { KernelDtype, UnitRounding } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import { plansJson } from '../../../src/backends/kernel/plan/explain-json.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { rewrite } from '../../../src/rewrite.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, compileLibrary, runLibrary } from '../../support/cuda-host.js';
import { dawnEnvironment } from '../../support/dawn.js';
import { profile } from '../../support/devices.js';
import { cudaHost, hipHost } from '../../support/emitted-files.js';
import { EVERYTHING } from '../../support/everything.js';
import { compileHosts, runHost } from '../../support/host.js';
import { DECAY, RATE, STEPPING } from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { runOrt } from '../../support/ort.js';
import type { Packing } from '../../support/packed-cases.js';
import { packedContraction, packedModel, packedTensors } from '../../support/packed-layers.js';
import { tilesToRun } from '../../support/small-tiles.js';
import { EXACT, elementsOf, inputsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const device = profile('h100', 'cuda');
const NIBBLES: Packing = { bits: 4, block: 32, scales: 'f32', zeros: 'u8' };
const CODES: Packing = { bits: 4, table: 'nf4', block: 32, scales: 'f32', zeros: null };
const BYTES: Packing = { bits: 8, block: 16, scales: 'f32', zeros: 'f32' };
const planOf = (dtype: KernelDtype, spec: AdapterSpec = LOTR, how = NIBBLES) =>
  choose(packedContraction(spec, how), { device, tokens: 70, purpose: 'train', dtype });

describe('a plan of packed layers', () => {
  test('names the type of their weights and its bytes, and keeps them packed', () => {
    const plan = loweredPlan(planOf('bf16'), ['sm_90a']);
    // 37 rows of 3 blocks of 16 bytes, 12 bytes of scales and 2 of zero points, twice
    expect(explainPlan(plan)).toContain(
      'weights packed as MatMulNBits (4 bits in blocks of 32, scales in f32, zero points in 4 bits): 4.59 kB; in bf16 10.7 kB',
    );
    const [json] = JSON.parse(plansJson([plan])).plans;
    expect(json.regions[0].layers[0].packed).toEqual({
      bits: 4,
      table: null,
      block: 32,
      zeroPoints: 'u8',
      bytes: 37 * (48 + 12 + 2),
    });
    expect(
      plan.regions
        .flatMap(({ forward, backward }) => [...forward, ...backward])
        .filter((launch) => launch.warpgroups?.BN),
    ).toEqual([]);
    expect(
      plan.buffers.filter(({ dtype }) => dtype === 'u8').map(({ name, shape }) => [name, ...shape]),
    ).toEqual([
      ['W_0', 37, 48],
      ['Wz_0', 37, 2],
      ['W_1', 37, 48],
      ['Wz_1', 37, 2],
      ['W_2', 37, 48],
      ['Wz_2', 37, 2],
    ]);
  });

  test('of codes names their table', () => {
    const plan = loweredPlan(planOf('bf16', LOTR, CODES), ['sm_90a']);
    expect(explainPlan(plan)).toContain(
      'weights packed as MatMulBnb4 (nf4 in blocks of 32, scales in f32): 4.44 kB; in bf16 14.2 kB',
    );
    expect(plan.buffers.flatMap(({ dtype, shape }) => (dtype === 'u8' ? [shape] : []))).toEqual(
      Array(3).fill([37, 48]),
    );
  });

  test('library and module say how such weights are set; there are no operators for ONNX Runtime', () => {
    const files = cudaHost(planOf('bf16'), ['sm_80']);
    const textOf = (path: string) => files.find((file) => file.path === path)!.text;
    expect(textOf('adapters.h')).toContain(
      'lotrc_set_packed(lotrc_adapters *adapters, const char *tensor, const void *bytes',
    );
    expect(textOf('adapters_torch.py')).toContain('"q.zero": "uint8",');
    expect(files.filter(({ path }) => path.startsWith('ort/'))).toEqual([]);
  });

  test('LOTR6006, LOTR6011: nothing is folded into a packed weight', () => {
    const found = packedContraction(LOTR, NIBBLES);
    const options = { device, tokens: 9, dtype: 'bf16' } as const;
    expect(() => choose(found, { ...options, purpose: 'train', strategy: 'merged' })).toThrow(
      /nothing can be added to weights that are packed/,
    );
    expect(() => choose(found, { ...options, purpose: 'serve', merging: true })).toThrow(
      /the adapter of q cannot be folded into its weight, which is packed/,
    );
  });

  test.each([
    [
      'another number of bits',
      { bits: 3 },
      /quantised \(com\.microsoft::MatMulNBits, 3 bits\); kernels unpack/,
    ],
    ['blocks of another size', { block_size: 64 }, /are not stored as MatMulNBits describes them/],
    ['another table', { quant_type: 2 }, /codes of an unknown table \(quant_type 2\)/, CODES],
    ['a weight that is not transposed', { transB: 0 }, /stored untransposed \(transB = 0\)/, CODES],
    [
      'blocks over the ends of rows',
      { block_size: 64 },
      /blocks of its weight \(64 codes\) run over the ends of rows \(96\)/,
      CODES,
    ],
  ] as const)('LOTR6002: %s', (_, attrs, why, how = NIBBLES) => {
    const model = packedModel(how, attrs);
    rewrite(model, { rank: 2, targets: ['q'] });
    expect(() => contract(model, { packed: true })).toThrow(why);
  });
});

/** The numbers that kernels are held to are those of another reader. */
test.each([
  ['4 bits', NIBBLES],
  ['nf4', CODES],
  ['fp4', { ...CODES, table: 'fp4', block: 16 }],
] as const)('%s are unpacked as ONNX Runtime does', async (_, how) => {
  const numbers = packedTensors(how).dense['o.q']!;
  const inputs = numbers.length / 37;
  const unit = Float32Array.from({ length: inputs ** 2 }, (_, at) => Number(at % (inputs + 1) === 0));
  const feed = { dtype: 'float32', shape: [inputs, inputs], data: unit } as const;
  const answer = await runOrt(encodeModel(packedModel(how)), { x: feed, z: feed });
  // the sign of a zero is lost in the product
  const turned = Array.from(
    { length: inputs * 37 },
    (_, at) => numbers[(at % 37) * inputs + Math.floor(at / 37)]! + 0,
  );
  expect(Array.from(answer['o.y']!.data, (value) => Number(value) + 0)).toEqual(turned);
});

type Case = readonly [
  string,
  AdapterSpec,
  Packing,
  KernelDtype,
  bound: number,
  {
    readonly rounding?: UnitRounding;
    readonly lent?: boolean;
    readonly hip?: true;
    /** run as on a device with warpgroups, planned for one that they fill */
    readonly warpgroups?: boolean;
  },
];
const CASES: readonly Case[] = [
  ['4 bits in bfloat16, in memory of the caller', LOTR, NIBBLES, 'bf16', 1e-2, { lent: true }],
  ['8 bits in float32', LORA, BYTES, 'f32', EXACT, {}],
  ['4 bits in tf32', LOTR, { ...NIBBLES, block: 16, zeros: null }, 'f32', 2e-3, { rounding: 'tf32' }],
  ['nf4 in bfloat16', LOTR, CODES, 'bf16', 1e-2, {}],
  ['fp4 in float32', LORA, { ...CODES, table: 'fp4', block: 16 }, 'f32', EXACT, {}],
  ['8 bits in float16', LOTR, BYTES, 'f16', 2e-3, {}],
  ['4 bits in bfloat16, for HIP', LOTR, NIBBLES, 'bf16', 1e-2, { hip: true }],
  ['nf4 in bfloat16 on warpgroups', LOTR, { ...CODES, out: 128 }, 'bf16', 1e-2, { warpgroups: true }],
];

/** Wrong calls, and what is said; `bytes`: those of the weight of q. */
const wrong = (bytes: number, out = 37): readonly (readonly [CudaCall, string])[] => [
  [['set', 'q.q', [1]], `1: q.q is ${out} x ${bytes / out}, not 1 numbers`],
  [['set', 'q.q', new Float32Array(bytes)], '1: q.q is packed: use lotrc_set_packed'],
  [['set_packed', 'q.scale', [1]], '1: q.scale is not packed: use lotrc_set'],
  [['set_packed', 'q.q', [1, 2]], `1: q.q has ${bytes} bytes, not 2`],
  [['set_packed', 'nobody', [1]], '1: there is no tensor nobody here'],
  [['read', 'W_0', bytes, 'unread'], '1: W_0 is packed: use lotrc_buffer'],
];

describe.skipIf(!hasCompiler('g++') || !EVERYTHING)('the C library, its kernels on the CPU', () => {
  const agrees = (
    ...[, spec, how, dtype, bound, { rounding, lent = false, hip, warpgroups = false }]: Case
  ) => {
    const found = packedContraction(spec, how, warpgroups ? 8 : 3);
    const rounded = rounding ? { rounding } : {};
    const on = hip ? profile('mi300x', 'hip') : warpgroups ? { ...device, multiprocessors: 1 } : device;
    const most = warpgroups ? 256 : 300;
    const options = { device: on, tokens: most, purpose: 'train', dtype, strategy: 'split' } as const;
    const plan = choose(found, { ...options, ...rounded });
    const tokens = 41;
    const { stored, packed, dense } = packedTensors(how);
    const factors = tensorsOf(placesOf(plan.buffers, 'step'), 5);
    const bias = how.table ? {} : { 'q.bias': [...values(how.out ?? 37, 2)] };
    const plain = { ...stored, ...bias, ...factors };
    const inputs = inputsOf(plan, tokens);
    const { pass, read, stepped, adapter, check } = twoPasses(found, plan, { ...plain, ...dense }, inputs);
    const reading = (name: string, as = name): CudaCall => ['read', name, elementsOf(plan, name, tokens), as];
    const step: CudaCall = ['step', 'adamw', STEPPING.adamw!.numbers];
    const refused = wrong(packed['q.q']!.length, how.out);
    const calls: CudaCall[] = [
      ...Object.entries(packed).map(([name, data]): CudaCall => [lent ? 'bind' : 'set_packed', name, data]),
      ...Object.entries(plain).map(([name, data]): CudaCall => ['set', name, data]),
      ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
      ...pass,
      ...read.map((name) => reading(name)),
      step,
      ...stepped.map((name) => reading(name)),
      ...refused.map(([call]) => call),
      ...pass,
      ...read.map((name) => reading(name, `${name} again`)),
      step,
      ...stepped.map((name) => reading(name, `${name} twice`)),
      ...adapter.map(([name, count]): CudaCall => ['get', name, count, `factor ${name}`]),
    ];
    const architectures = warpgroups ? ['sm_80', 'sm_90a'] : ['sm_80'];
    const files = hip ? hipHost(plan, ['gfx942']) : cudaHost(plan, architectures);
    // y of three layers, dx of two inputs
    const grouped = files.filter(({ path }) => /_warpgroups\.cu$/.test(path));
    expect(grouped.length > 0).toBe(warpgroups);
    const answer = runLibrary(files, tokens, calls, { checked: true, warpgroups });
    expect(answer.messages).toEqual(refused.map(([, says]) => says));
    check(answer.reads, bound);
  };
  test.each(CASES)('%s: forward, backward and a step agree with float64', { timeout: 300_000 }, agrees);
});

const laptop = profile('webgpu-laptop', 'webgpu');
const WEB: Packing = { ...NIBBLES, out: 40 };
/** Of even widths and ranks, for vectors, or of odd ones. */
const webLayers = (how: Packing) => packedContraction(LOTR, how, how.out ? 4 : 3);
/** `small`: other products than those of packed weights have tiles that SwiftShader compiles in a moment. */
const webPlan = (how: Packing, tokens: number, small = false) => {
  const schedules = small ? tilesToRun(laptop).filter(({ family }) => family !== 'gemm') : [];
  const options = { device: laptop, tokens, purpose: 'train', strategy: 'split', schedules } as const;
  return loweredWgsl(choose(webLayers(how), options));
};

describe('the module for WebGPU', () => {
  test('kernels unpack in vectors, or element by element where widths are odd, within eight buffers', () => {
    const reading = (how: Packing, tokens: number) =>
      webPlan(how, tokens)
        .regions.flatMap(({ forward, backward }) => [...forward, ...backward])
        .filter(({ work }) => work.kind === 'product' && work.segments.some(({ b }) => b.matrix.packed))
        .map(kernelOf);
    for (const tokens of [1, 70]) {
      // two siblings have more buffers than a kernel may bind: their dx is two launches
      const [even, odd] = [reading(WEB, tokens), reading(NIBBLES, tokens)];
      expect([even.length, odd.length]).toEqual([6, 6]);
      for (const kernel of [...even, ...odd]) expect(verifyKernel(kernel, laptop)).toEqual([]);
      for (const kernel of even)
        expect(kernel.arrays.find(({ name }) => name === 'acc')?.vector, kernel.name).toBe(true);
    }
  });

  test('has a table of packed tensors, and says how they are set', () => {
    const { text } = webgpuHost(webPlan(WEB, 70))[0]!;
    expect(text).toContain("'q.zero': 'Wz_0'");
    expect(text).toContain(
      'setPacked(tensors: Partial<Readonly<Record<PackedName, Uint8Array<ArrayBuffer>>>>): void;',
    );
    expect(text).toContain('fills it');
  });

  const driver = EVERYTHING ? dawnEnvironment() : null;
  test.skipIf(!driver)(
    'forward, backward and a step on SwiftShader agree with float64',
    { timeout: 300_000 },
    () => {
      const [how, tokens] = [WEB, 41];
      const plan = webPlan(how, tokens, true);
      const { stored, packed, dense } = packedTensors(how);
      const factors = tensorsOf(placesOf(plan.buffers, 'step'), 5);
      const bias = how.table ? {} : { 'q.bias': [...values(how.out ?? 37, 2)] };
      const inputs = inputsOf(plan, tokens);
      const all = { ...stored, ...bias, ...factors };
      const { pass, read, stepped, check } = twoPasses(webLayers(how), plan, { ...all, ...dense }, inputs);
      const step = ['step', { learningRate: RATE, weightDecay: DECAY }] as const;
      const reading = (as: string) => (name: string) => ['read', name, `${name}${as}`] as const;
      const { folder, modules } = compileHosts([webgpuHost(plan)]);
      try {
        const answer = runHost(modules[0]!, driver!, {
          tokens,
          weights: Object.fromEntries(
            Object.entries({ ...stored, ...bias }).map(([name, data]) => [name, [...Array.from(data)]]),
          ),
          factors,
          calls: [
            ...Object.entries(packed).map(([name, data]) => ['setPacked', name, Array.from(data)] as const),
            ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
            ...pass,
            ...read.map(reading('')),
            step,
            ...stepped.map(reading('')),
            ['setPacked', 'q.q', [1, 2]],
            ['setPacked', 'q.scale', [1]],
            ['write', 'W_0', [1]],
            ...pass,
            ...read.map(reading(' again')),
            step,
            ...stepped.map(reading(' twice')),
            ['readAdapter'],
          ],
        });
        expect(answer.messages).toEqual([
          `q.q has ${packed['q.q']!.length} bytes, not 2`,
          'there is no packed tensor q.scale here',
          'W_0 is packed: setPacked fills it',
        ]);
        check(answer.reads, EXACT);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

describe.skipIf(!hasCompiler('nvcc') || !EVERYTHING)('nvcc', () => {
  test('compiles the library over packed weights without a warning', { timeout: 300_000 }, () => {
    const files = cudaHost(planOf('bf16'), ['sm_80']);
    const some = files.flatMap(({ path }) => (/adapters\.cu$|layer_0|dx_0/.test(path) ? [path] : []));
    compileLibrary(files, some, ['sm_80']);
  });
});
