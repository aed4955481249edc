import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { placesOf } from '../../../src/backends/host/shared/tables.js';
import type { AdaptedLayers } from '../../../src/backends/kernel/model/layers.js';
import type { KernelDtype, KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, compileLibrary, runLibrary } from '../../support/cuda-host.js';
import { profile } from '../../support/devices.js';
import { cudaHost, hipHost } from '../../support/emitted-files.js';
import { EVERYTHING } from '../../support/everything.js';
import { contraction, type Layers } from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { rowFactors, rowReference } from '../../support/row-adapters.js';
import { tensorsOf } from '../../support/two-passes.js';

const [device, amd] = [profile('h100', 'cuda'), profile('mi300x', 'hip')];
const NONE = 0xffffffff;
const MOST = 16;
const ADAPTERS = [
  { rank: 1, scale: 0.5 },
  { rank: 3, scale: 2 },
  { rank: 4, scale: -1.25 },
  { rank: 8, scale: 0.125 },
  { rank: 16, scale: 0.75 },
];
/** The adapters of rows: in any order, some of them often, and none. */
const BATCHES = [
  [3],
  [2, NONE, 0, 2, 4, 1, NONE],
  Array.from({ length: 33 }, (_, row) => [4, 0, NONE, 2, 1, 3][(7 * row + 3) % 6]!),
];

const planFor = (found: AdaptedLayers, dtype: KernelDtype, on = device): KernelPlan =>
  choose(found, {
    device: on,
    tokens: 33,
    purpose: 'serve',
    adapters: ADAPTERS.length,
    mostRank: MOST,
    dtype,
  });

interface Case {
  readonly spec: AdapterSpec;
  readonly layers: Layers;
  readonly dtype: KernelDtype;
  readonly bound: number;
  readonly hip?: true;
}
const CASES: readonly (readonly [string, Case])[] = [
  ['lotr, odd widths', { spec: LOTR, layers: { in: 131, out: 11, rank: 5 }, dtype: 'f32', bound: 2e-6 }],
  ['lora in bfloat16', { spec: LORA, layers: { in: 24, out: 520, rank: 5 }, dtype: 'bf16', bound: 1e-2 }],
  [
    'lotr in float16, for HIP',
    { spec: LOTR, layers: { in: 24, out: 40, rank: 5 }, dtype: 'f16', bound: 2e-3, hip: true },
  ],
];
describe.skipIf(!hasCompiler('g++'))('rows with adapters of their own, in the C library', () => {
  const agrees = (_: string, { spec, layers, dtype, bound, hip }: Case) => {
    const found = contraction(spec, undefined, layers);
    const plan = planFor(found, dtype, hip ? amd : device);
    const files = hip ? hipHost(plan, ['gfx942']) : cudaHost(plan, ['sm_80']);
    const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
    const adapters = ADAPTERS.map(({ rank }, n) => rowFactors(plan, rank, 20 + 30 * n));
    const inputs = BATCHES.map((rows, n) => ({
      x_0: values(rows.length * layers.in, 31 + n),
      x_1: values(rows.length * layers.in, 41 + n),
    }));
    const [[factor, data]] = Object.entries(adapters[1]!) as [[string, Float32Array]];
    const group = found.groups[0]!.id;
    const forward = (n: number, tag: string): readonly CudaCall[] => {
      let layer = 0;
      return found.regions.map(({ input, layers: own }, region): CudaCall => {
        const ys = own.map(({ out }) => [`${tag} y_${layer++}`, BATCHES[n]!.length * out] as const);
        return ['forward_at', region, BATCHES[n]!.length, inputs[n]![`x_${input}` as 'x_0'], ys];
      });
    };
    const answer = runLibrary(files, 33, [
      ...Object.entries(weights).map(([name, numbers]): CudaCall => ['set', name, numbers]),
      ['set_adapter', factor, data, 1],
      // an adapter of another rank was there before
      ['begin_adapter', 2, 16, 3],
      ...Object.entries(adapters[4]!).map(([name, own]): CudaCall => ['set_adapter', name, own, 2]),
      ...ADAPTERS.flatMap(({ rank, scale }, n): CudaCall[] => [
        ['begin_adapter', n, rank, scale],
        ...Object.entries(adapters[n]!).map(([name, own]): CudaCall => ['set_adapter', name, own, n]),
      ]),
      ...BATCHES.flatMap((rows, n): CudaCall[] => [['set_rows', rows], ...forward(n, `${n}`)]),
      // what kernels write is bounded
      ['write_rows', BATCHES[1]!.map((adapter) => (adapter === NONE ? 5 : adapter))],
      ...forward(1, 'written'),
      ['begin_adapter', 1, 3, 2],
      ['set_rows', [0, 1]],
      ['write_rows', [1]],
      ...forward(0, 'incomplete'),
      ['begin_adapter', 5, 3, 1],
      ['begin_adapter', 0, 17, 1],
      ['begin_adapter', 0, 0, 1],
      ['begin_adapter', 0, 4, 1, 'nowhere'],
      ['begin_adapter', 0, 4, 1, group],
      ['set_adapter', factor, data.slice(1), 1],
      ['set_adapter', factor, data, 9],
      ['set_adapter', 'nobody', data, 1],
      ['set', factor, data],
      ['set_rows', [5]],
      ['set_rows', Array<number>(34).fill(NONE)],
      ['write', 'ranks_0', ADAPTERS.map(() => 1)],
    ]);
    const turned = plan.buffers.find(({ ofRows }) => ofRows?.tensors.includes(factor))!.ofRows!;
    expect(turned.turned).toBe(true);
    expect(answer.messages).toEqual([
      `2: adapter 1 has no rank in group ${group}: lotrc_begin_adapter comes first`,
      `2: adapter 1 has no ${factor}`,
      '1: there is no adapter 5',
      '1: rank is 17, not 1 to 16',
      '1: rank is 0, not 1 to 16',
      '1: there is no group nowhere here',
      `1: ${factor} of rank 3 is ${layers.in} x 3, not ${3 * layers.in - 1} numbers`,
      '1: there is no adapter 9',
      '1: there is no factor nobody here',
      `1: ${factor} is a factor of adapters: use lotrc_set_adapter`,
      '1: there is no adapter 5',
      '1: 34 rows are more than 33',
      '1: ranks_0 is filled by lotrc_set_rows and lotrc_set_adapter',
    ]);
    const all = ADAPTERS.map((one, n) => ({ ...one, factors: adapters[n]! }));
    const expected = (n: number, rows: readonly number[]) =>
      rowReference(found, all, weights, inputs[n]!, rows);
    for (const [n, rows, tag] of [
      ...BATCHES.map((rows, n) => [n, rows, `${n}`] as const),
      [1, BATCHES[1]!, 'written'] as const,
      [0, [NONE], 'incomplete'] as const,
    ]) {
      const of = expected(n, rows);
      for (const name of ['y_0', 'y_1', 'y_2'])
        expect(worstError(answer.reads[`${tag} ${name}`]!, of(name)), `${tag} ${name}`).toBeLessThan(bound);
    }
    // adapters change what rows get
    const [some, none] = [[4], [NONE]].map((rows) => expected(0, rows)('y_0'));
    expect(worstError(some!, none!)).toBeGreaterThan(0.05);
  };
  const title = '%s: rows of any adapters in any order agree with float64';
  test.each(CASES)(title, { timeout: 300_000 }, agrees);
});

describe.skipIf(!hasCompiler('nvcc') || !EVERYTHING)('nvcc', () => {
  test('compiles the kernels of rows without a warning', { timeout: 300_000 }, () => {
    const plan = planFor(contraction(LORA, undefined, { in: 24, out: 40, rank: 4 }), 'bf16');
    const files = cudaHost(plan, ['sm_80']);
    compileLibrary(files, ['kernels/down_0.cu', 'kernels/added_0.cu'], ['sm_80']);
  });
});
