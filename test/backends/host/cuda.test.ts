import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { VERA } from '../../../src/adapter/methods/vera.js';
import { loweredPlan } from '../../../src/backends/host/cuda/lower.js';
import { placesOf, regionRow, rowBlockOf } from '../../../src/backends/host/shared/tables.js';
import type { KernelDtype, KernelPlan, UnitRounding } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, compileLibrary, ofEachKind, runLibrary } from '../../support/cuda-host.js';
import { inPairs, profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { allOrFirst, EVERYTHING, everySecond } from '../../support/everything.js';
import {
  contraction,
  IN,
  type Layers,
  LORA_FA,
  partOf,
  reference,
  rowsOf,
  STEPPING,
} from '../../support/host-layers.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { allPlaces, EXACT, elementsOf, inputsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const device = inPairs(profile('h100', 'cuda'));
const written = (plan: KernelPlan, options: { readonly optimizer?: OptimizerKind } = {}) =>
  cudaHost(plan, ['sm_80', 'sm_90a'], options);

type Training = readonly [string, AdapterSpec, StrategyKey, number, number, How];
interface How {
  readonly dtype: KernelDtype;
  readonly rounding?: UnitRounding;
  /** largest error: what the type rounds away */
  readonly bound: number;
  /** run as on a device with warpgroups, in a size that they take */
  readonly warpgroups?: Layers;
  readonly optimizer?: OptimizerKind;
}
const F32: How = { dtype: 'f32', bound: EXACT };
const EVEN: Layers = { in: 72, out: 88, rank: 8 };
const TRAINING: readonly Training[] = [
  [
    'lotr, sums in parts, for other numbers of tokens than planned, wrong calls refused',
    LOTR,
    'split',
    300,
    41,
    F32,
  ],
  ['vera, merged weights, Lion', VERA, 'merged', 64, 9, { ...F32, optimizer: 'lion' }],
  ['lora, A frozen, B at four times the rate, SGD', LORA_FA, 'split', 13, 70, { ...F32, optimizer: 'sgd' }],
  ['lotr in bfloat16', LOTR, 'split', 300, 41, { dtype: 'bf16', bound: 1e-2 }],
  [
    'lotr in bfloat16 on warpgroups',
    LOTR,
    'split',
    300,
    70,
    { dtype: 'bf16', bound: 1e-2, warpgroups: EVEN },
  ],
];
const MORE: typeof TRAINING = [
  ['lotr, merged weights', LOTR, 'merged', 64, 9, F32],
  ['vera in bfloat16', VERA, 'split', 300, 41, { dtype: 'bf16', bound: 1e-2 }],
  ['lora', LORA, 'split', 13, 70, F32],
  ['lora in float16', LORA, 'split', 13, 70, { dtype: 'f16', bound: 2e-3 }],
  ['lora in float16 on warpgroups', LORA, 'split', 300, 65, { dtype: 'f16', bound: 2e-3, warpgroups: EVEN }],
  [
    'lora of rank 3 on warpgroups',
    LORA,
    'split',
    300,
    65,
    { dtype: 'f16', bound: 2e-3, warpgroups: { ...EVEN, rank: 3 } },
  ],
  ['lotr in tf32', LOTR, 'split', 300, 41, { dtype: 'f32', rounding: 'tf32', bound: 2e-3 }],
];

/** Calls that are refused, and what is said. */
const WRONG: readonly (readonly [CudaCall, (tokens: number) => string])[] = [
  [['write', 'x_0', [1, 2, 3]], (tokens) => `1: x_0 has ${tokens * IN} numbers, not 3`],
  [['write', 'x_9', [1]], () => '1: there is no buffer x_9'],
  [['set', 'nobody', [1]], () => '1: there is no tensor nobody here'],
  [['set', 'q.bias', [1]], () => '1: q.bias is 1 x 11, not 1 numbers'],
  [['forward', 9], () => '1: there is no region 9, only 2'],
  [['backward', 9], () => '1: there is no region 9, only 2'],
  [['step', 'adamw', [-1, 0.9, 0.999, 1e-8, 0]], () => '1: not the numbers of an AdamW step'],
  [['read', 'y_0', 3, 'unread'], (tokens) => `1: y_0 has ${tokens * 11} numbers, not 3`],
  [['get', 'q.bias', 11, 'unread'], () => '1: there is no factor q.bias here'],
  [['get', 'lotr/17x11/R', 1, 'unread'], () => '1: lotr/17x11/R is 17 x 3, not 1 numbers'],
];

describe.skipIf(!hasCompiler('g++'))('the C library, its kernels on the CPU', () => {
  const agrees = (...[, spec, strategy, planned, tokens, how]: Training) => {
    const { dtype, rounding, bound, warpgroups: size, optimizer = 'adamw' } = how;
    const found = contraction(spec, undefined, size);
    const plan = choose(found, {
      device,
      tokens: planned,
      purpose: 'train',
      strategy,
      dtype,
      ...(rounding ? { rounding } : {}),
    });
    const files = written(plan, { optimizer });
    const units = files.some(({ path, text }) => /^kernels.*cu$/.test(path) && /^ +mma_/m.test(text));
    expect(units).toBe(dtype !== 'f32' || rounding !== undefined);
    const tensors = tensorsOf(allPlaces(plan), 5);
    const inputs = inputsOf(plan, tokens);
    const { pass, read, stepped, adapter, check } = twoPasses(found, plan, tensors, inputs, optimizer);
    const step: CudaCall = ['step', optimizer, STEPPING[optimizer]!.numbers];
    const reading = (name: string, as = name): CudaCall => ['read', name, elementsOf(plan, name, tokens), as];
    const checked = how === F32 && strategy === 'split' && spec === LOTR;
    // factors change before a graph is captured, after that, and before it runs again
    const factor = 'lotr/17x11/L';
    const data = tensors[factor] ?? [];
    const changed = (by: number) => data.map((number) => by * number);
    const graphs: CudaCall[] = [
      ['forward', 0],
      ['set', factor, changed(2)],
      ...([['capture', 1], ['forward', 0], step, ['captured']] as const),
      ['forward', 0],
      reading('y_0', 'y at once'),
      ...([['capture', 2], ['forward', 0], ['captured']] as const),
      ['set', factor, changed(3)],
      ['replay'],
      reading('y_0', 'y of a graph'),
      ['set', factor, data],
    ];
    const calls: CudaCall[] = [
      ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
      ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
      ...(checked ? graphs : []),
      ...pass,
      ...read.map((name) => reading(name)),
      step,
      ...stepped.map((name) => reading(name)),
      // the stepped factors are what the next pass reads, and gradients start from zero again
      // factors written in place, and regions in any order: neither changes what is computed here
      ['changed'],
      ['begin_inputs'],
      ...pass,
      ...read.map((name) => reading(name, `${name} again`)),
      step,
      ...stepped.map((name) => reading(name, `${name} twice`)),
      ...adapter.map(([name, count]): CudaCall => ['get', name, count, `factor ${name}`]),
    ];
    // one of the libraries is also called wrongly, before its last pass: nothing is changed by that
    if (checked)
      calls.splice(
        calls.findIndex(([kind]) => kind === 'changed'),
        0,
        ...WRONG.map(([call]) => call),
      );
    const answer = runLibrary(files, tokens, calls, { warpgroups: size !== undefined, checked });
    const captured = '2: a graph would take the same step each time: steps are not captured';
    expect(answer.messages).toEqual(checked ? [captured, ...WRONG.map(([, says]) => says(tokens))] : []);
    check(answer.reads, bound);
    for (const [name, by] of checked
      ? ([
          ['y at once', 2],
          ['y of a graph', 3],
        ] as const)
      : []) {
      const wanted = reference(found, { ...tensors, [factor]: changed(by) }, inputs)['y_0']!;
      expect(worstError(answer.reads[name]!, wanted.flat()), name).toBeLessThan(bound);
    }
  };
  const title = '%s: forward, backward and a step agree with float64';
  test.each(TRAINING)(title, { timeout: 300_000 }, agrees);
  test.skipIf(!EVERYTHING).each(everySecond(MORE))(title, { timeout: 300_000 }, agrees);

  test.each(
    allOrFirst([
      ['on warpgroups', 'bf16', 1e-2, { ...EVEN, apart: true }],
      ['in float32', 'f32', EXACT, { in: IN, out: 11, rank: 3, apart: true }],
    ] as const),
  )(
    'memory of the caller, fewer rows than there is room for, %s: no copies, and the same results',
    { timeout: 300_000 },
    (how, dtype, bound, size) => {
      const found = contraction(LORA, undefined, size);
      const plan = choose(found, { device, tokens: 70, purpose: 'train', strategy: 'split', dtype });
      const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 5);
      const factors = tensorsOf(placesOf(plan.buffers, 'step'), 25);
      const rows = 33;
      const inputs = inputsOf(plan, rows);
      const wide = inputsOf(plan, 70);
      const rowsOfRegions = plan.regions.map((region) => regionRow(region, plan));
      const regionsAt = (from: typeof inputs, count: number, tag: string): CudaCall[] =>
        rowsOfRegions.flatMap(({ x, y, dy = [], dx }, region): CudaCall[] => [
          [
            'forward_at',
            region,
            count,
            from[x]!,
            y.map((name) => [name + tag, elementsOf(plan, name, count)]),
          ],
          [
            'backward_at',
            region,
            count,
            dy.map((name) => from[name]!),
            [`${region} ${dx}${tag}`, elementsOf(plan, dx!, count)],
          ],
        ]);
      const [first] = Object.entries(weights) as [[string, readonly number[]]];
      const gradients = plan.buffers.filter(({ gradientOf }) => gradientOf);
      const answer = runLibrary(
        written(plan),
        70,
        [
          ...Object.entries(weights).map(([name, data]): CudaCall => ['bind', name, data]),
          ...Object.entries(factors).map(([name, data]): CudaCall => ['set', name, data]),
          ['clear_gradients'],
          ...regionsAt(inputs, rows, ''),
          ['gradients'],
          ...gradients.map(({ name }): CudaCall => ['read', name, elementsOf(plan, name, rows), name]),
          // other memory, other rows, and a weight that the library has again
          ['set', ...first],
          ['clear_gradients'],
          ...regionsAt(wide, 70, ' wide'),
          ['unaligned', true],
          ['bind', ...first],
          ['forward_at', 0, rows, inputs['x_0']!, [['unused', elementsOf(plan, 'y_0', rows)]]],
          ['unaligned', false],
          ['over', true],
          ['forward_at', 0, rows, inputs['x_0']!, [['unused y', elementsOf(plan, 'y_0', rows)]]],
          ['backward_at', 0, rows, [inputs['dy_0']!], ['unused dx', elementsOf(plan, 'dx_0', rows)]],
          ['over', false],
          ['forward_at', 0, 71, new Float32Array(71 * size.in), [['none', 71 * size.out]]],
          [
            'backward_at',
            0,
            rows,
            [inputs['dy_0']!],
            ['none', elementsOf(plan, 'dx_0', rows)],
            inputs['x_0']!,
          ],
        ],
        { warpgroups: how === 'on warpgroups' },
      );
      expect(answer.messages).toEqual([
        `1: ${first[0]} is at an address that is not a multiple of 16`,
        '1: x_0 is at an address that is not a multiple of 16',
        '1: y_0 overlaps x_0',
        '1: dx_0 overlaps dy_0',
        '1: rows is 71, not 1 to 70',
        '1: region 0 writes its dx: regions after it that read the same x add to it',
      ]);
      const tensors = { ...weights, ...factors };
      for (const [from, tag] of [
        [inputs, ''],
        [wide, ' wide'],
      ] as const) {
        const wanted = reference(found, tensors, from);
        for (const { y } of rowsOfRegions)
          for (const name of y)
            expect(worstError(answer.reads[name + tag]!, wanted[name]!.flat()), name + tag).toBeLessThan(
              bound,
            );
        // q and k read one x: regions apart, each with a dx of its own
        const dx = (region: number) => answer.reads[`${region} ${rowsOfRegions[region]!.dx}${tag}`]!;
        const both = Array.from(dx(0), (value, at) => value + dx(1)[at]!);
        expect(worstError(both, wanted['dx_0']!.flat()), `dx_0${tag}`).toBeLessThan(bound);
        expect(worstError(dx(2), wanted['dx_1']!.flat()), `dx_1${tag}`).toBeLessThan(bound);
      }
      const wanted = reference(found, tensors, inputs);
      for (const [name, [place]] of Object.entries(placesOf(plan.buffers, 'step'))) {
        const gradient = gradients.find(({ gradientOf }) => gradientOf === place!.buffer)!;
        const own = partOf(answer.reads[gradient.name]!, place!);
        expect(worstError(own, wanted[name]!.flat()), `gradient of ${name}`).toBeLessThan(bound);
      }
    },
  );

  test.each(
    allOrFirst([
      ['lotr in bfloat16', LOTR, 'bf16', 1e-2],
      ['lotr', LOTR, 'f32', 2e-6],
      ['lora', LORA, 'f32', 2e-6],
    ] as const),
  )(
    'several adapters in a batch, %s: every block of rows has its own',
    { timeout: 300_000 },
    (_, spec, dtype, bound) => {
      const found = contraction(spec);
      const plan = choose(found, { device, tokens: 150, purpose: 'serve', adapters: 3, dtype });
      const files = written(plan);
      const rowBlock = rowBlockOf(loweredPlan(plan));
      const tokens = 2 * rowBlock + 5;
      const table = [2, 0, 2];
      const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
      const places = placesOf(plan.buffers, 'step', 3);
      const adapters = [0, 1, 2].map((adapter) => tensorsOf(places, 20 + 30 * adapter));
      const inputs = Object.fromEntries(
        ['x_0', 'x_1'].map((name, index) => [name, values(tokens * IN, 31 + index)]),
      );
      const outputs = plan.buffers.filter(({ name }) => name.startsWith('y_')).map(({ name }) => name);
      const [[factor, data]] = Object.entries(adapters[0]!) as [[string, readonly number[]]];
      const answer = runLibrary(files, tokens, [
        ...Object.entries(weights).map(([name, numbers]): CudaCall => ['set', name, numbers]),
        ...Object.entries(adapters[0]!).map(([name, numbers]): CudaCall => ['set', name, numbers]),
        ...[1, 2].flatMap((adapter) =>
          Object.entries(adapters[adapter]!).map(
            ([name, numbers]): CudaCall => ['set_adapter', name, numbers, adapter],
          ),
        ),
        ['set_rows', table],
        ...Object.entries(inputs).map(([name, numbers]): CudaCall => ['write', name, numbers]),
        ...found.regions.map((__, region): CudaCall => ['forward', region]),
        ...outputs.map((name): CudaCall => ['read', name, elementsOf(plan, name, tokens), name]),
        ['set_rows', [0]],
        ['set_rows', [0, 3, 1]],
        ['set_adapter', factor, data, 3],
        ['set_adapter', 'q.weight', weights['q.weight']!, 1],
        ['write', 'rowAdapter', [0, 0, 0]],
      ]);
      expect(answer.messages).toEqual([
        `1: ${tokens} rows are 3 blocks, not 1`,
        '1: there is no adapter 3',
        '1: there is no adapter 3',
        '1: q.weight is not a factor of an adapter',
        '1: rowAdapter is filled by lotrc_set_rows',
      ]);
      for (const name of outputs) {
        const expected = rowsOf(
          table,
          rowBlock,
          (adapter) => reference(found, { ...weights, ...adapters[adapter]! }, inputs)[name]!,
        );
        expect(worstError(answer.reads[name]!, expected), name).toBeLessThan(bound);
      }
    },
  );

  test.each(
    allOrFirst([
      ['lora in bfloat16', LORA, 'bf16', 1e-2],
      ['lotr', LOTR, 'f32', 2e-6],
    ] as const),
  )(
    'merge and unmerge, %s: the same results, with and without the adapter in the weights',
    {
      timeout: 300_000,
    },
    (_, spec, dtype, bound) => {
      const found = contraction(spec);
      const plan = choose(found, { device, tokens: 9, purpose: 'serve', merging: true, dtype });
      const files = written(plan);
      const tensors = tensorsOf(allPlaces(plan), 3);
      const inputs = Object.fromEntries(
        ['x_0', 'x_1'].map((name, index) => [name, values(9 * IN, 31 + index)]),
      );
      const of = (prefix: string) =>
        plan.buffers.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name);
      const forward = found.regions.map((__, region): CudaCall => ['forward', region]);
      const reads = (names: readonly string[], when: string) =>
        names.map((name): CudaCall => ['read', name, elementsOf(plan, name, 9), `${name} ${when}`]);
      const answer = runLibrary(files, 9, [
        ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
        ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
        ...reads(of('W_'), 'before'),
        ['merge'],
        ...forward,
        ...reads([...of('W_'), ...of('y_')], 'merged'),
        ['merge'],
        ['set', 'q.bias', tensors['q.bias']!],
        ['unmerge'],
        ...forward,
        ...reads([...of('W_'), ...of('y_')], 'after'),
        ['unmerge'],
      ]);
      expect(answer.messages).toEqual([
        '2: the adapter is in the weights already',
        '2: the adapter is in the weights: unmerge first',
        '2: the adapter is not in the weights',
      ]);
      const expected = reference(found, tensors, inputs);
      for (const name of of('y_')) {
        for (const when of ['merged', 'after'])
          expect(
            worstError(answer.reads[`${name} ${when}`]!, expected[name]!.flat()),
            `${name} ${when}`,
          ).toBeLessThan(bound);
      }
      for (const name of of('W_')) {
        const [before, merged, after] = ['before', 'merged', 'after'].map(
          (when) => answer.reads[`${name} ${when}`]!,
        );
        expect(worstError(merged!, before!), `${name} changes`).toBeGreaterThan(0.1);
        expect(worstError(after!, before!), `${name} comes back`).toBeLessThan(bound);
      }
    },
  );
});

describe.skipIf(!hasCompiler('nvcc'))('nvcc', () => {
  test.each(allOrFirst(['bf16', 'f32'] as const))(
    'compiles the library in %s for every architecture without a warning',
    {
      timeout: 300_000,
    },
    (dtype) => {
      const plan = choose(contraction(LOTR), {
        device,
        tokens: 7,
        purpose: 'train',
        strategy: 'split',
        dtype,
      });
      const files = written(plan);
      // one kernel of each kind: the others differ in names; operators of ONNX Runtime have tests of their own
      const own = files.map(({ path }) => path).filter((path) => /^(?!ort\/).*\.cu$/.test(path));
      compileLibrary(files, ofEachKind(own), ['sm_90a', 'sm_80', 'sm_120'], dtype === 'bf16');
    },
  );
});

test('a library for serving has forward only', () => {
  const plan = choose(contraction(LOTR), { device, tokens: 7, purpose: 'serve', dtype: 'f32' });
  const files = cudaHost(plan, ['sm_80']);
  const header = files.find(({ path }) => path === 'adapters.h')!.text;
  expect([...header.matchAll(/\blotrc_(\w+)\(/g)].map(([, name]) => name)).toEqual([
    'create',
    'set_stream',
    'destroy',
    'message',
    'set',
    'bind',
    'buffer',
    'changed',
    'write',
    'read',
    'forward',
    'forward_at',
  ]);
  expect(files.some(({ path }) => path.includes('step_') || path.endsWith('.py'))).toBe(false);
});
