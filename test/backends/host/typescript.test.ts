import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import type { EmittedFile } from '../../../src/backends/host/shared/emitted.js';
import { launchesOf, placesOf } from '../../../src/backends/host/shared/tables.js';
import { loweredWgsl } from '../../../src/backends/host/webgpu/lower.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import type { AdaptedLayers } from '../../../src/backends/kernel/model/layers.js';
import type { KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { chromium, runInBrowser } from '../../support/browser.js';
import { dawnEnvironment } from '../../support/dawn.js';
import { denoCommand, denoEnvironment, denoProgram } from '../../support/deno.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING, everySecond } from '../../support/everything.js';
import { compileHosts, runHost } from '../../support/host.js';
import { batchJob } from '../../support/host-batch.js';
import { contraction, IN, RATE, reference } from '../../support/host-layers.js';
import { trainingJob } from '../../support/host-training.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { stateOf } from '../../support/optimizer-state.js';
import { rowFactors, rowReference } from '../../support/row-adapters.js';
import { tilesToRun } from '../../support/small-tiles.js';
import { allPlaces, inputsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const driver = dawnEnvironment();
const device = profile('webgpu-laptop', 'webgpu');

/** A module that a test runs; its folder is there once all of them were compiled together. */
interface Compiled {
  readonly files: readonly EmittedFile[];
  folder: string;
}
const all: Compiled[] = [];
const folders: string[] = [];
function compiled(files: readonly EmittedFile[]): Compiled {
  const one = { files, folder: '' };
  all.push(one);
  return one;
}
beforeAll(() => {
  const { folder, modules } = compileHosts(all.map(({ files }) => files));
  folders.push(folder);
  for (const [n, one] of all.entries()) one.folder = modules[n]!;
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
/** Cases of tests that are skipped are not made. */
const casesFor = <T, R>(program: unknown, cases: readonly T[], make: (one: T) => R): readonly R[] =>
  program ? cases.map(make) : [];

const TRAINING: readonly (readonly [
  name: string,
  spec: AdapterSpec,
  strategy: StrategyKey,
  planned: number,
  tokens: number,
  optimizer: OptimizerKind,
])[] = [
  ['lotr, sums in parts, for other numbers of tokens than planned, Lion', LOTR, 'split', 300, 41, 'lion'],
  ['lotr, AdamW', LOTR, 'split', 300, 41, 'adamw'],
  ['lora, SGD', LORA, 'split', 13, 70, 'sgd'],
];

const training = casesFor(
  driver,
  everySecond(allOrFirst(TRAINING)),
  ([name, spec, strategy, planned, tokens, optimizer]) => {
    const made = trainingJob(spec, strategy, planned, tokens, 'f32', { optimizer });
    return [name, { ...made, module: compiled(webgpuHost(made.plan, optimizer)) }] as const;
  },
);
test.skipIf(!driver).each(training)(
  '%s: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  (_, { job, check, module }) => check(runHost(module.folder, driver!, job)),
);

/** One layer, with tiles that SwiftShader compiles fast. */
const interrupted = casesFor(driver, ['adamw'] as const, (kind) => {
  const found = contraction(LORA, ['o']);
  const options = { device, tokens: 5, purpose: 'train', strategy: 'split' } as const;
  const plan = choose(found, { ...options, schedules: tilesToRun(device) });
  return [kind, { found, plan, module: compiled(webgpuHost(plan, kind)) }] as const;
});
test.skipIf(!driver).each(interrupted)(
  '%s: a run that goes on in another host has the bits of one that was not interrupted',
  { timeout: 300_000 },
  (kind, { found, plan, module }) => {
    const [tokens, tensors, inputs] = [5, tensorsOf(allPlaces(plan), 5), inputsOf(plan, 5)];
    const { pass, stepped } = twoPasses(found, plan, tensors, inputs, kind);
    const own = (life: 'weight' | 'step') =>
      Object.fromEntries(Object.keys(placesOf(plan.buffers, life)).map((name) => [name, tensors[name]!]));
    const writing = Object.entries(inputs).map(([name, data]) => ['write', name, data] as const);
    const twice = [1, 2].flatMap(() => [...pass, ['step', { learningRate: RATE }] as const]);
    const ending = (tag: string) => [
      ...twice,
      ...stepped.map((name) => ['read', name, name + tag] as const),
      ['readState', `state${tag}`] as const,
    ];
    const { messages, reads } = runHost(module.folder, driver!, {
      tokens,
      weights: own('weight'),
      factors: own('step'),
      calls: [...writing, ...twice, ['keep'], ...ending(''), ['renew'], ...writing, ...ending(' gone on')],
    });
    expect(messages).toEqual([]);
    for (const name of [...stepped, 'state']) expect(reads[`${name} gone on`], name).toEqual(reads[name]);
    const cold = stateOf(plan, kind, 4, ({ rows, cols }) => new Float32Array(rows * cols));
    expect(reads.state).toHaveLength(cold.length);
    expect(reads.state).not.toEqual([...cold]);
  },
);

/** Runs a module for serving on numbers of its own, and holds what it gives to float64. */
function served(made: {
  readonly found: AdaptedLayers;
  readonly tokens: number;
  readonly inputs: number;
  readonly plan: KernelPlan;
  readonly module: Compiled;
}): void {
  const { found, tokens, inputs: width, plan, module } = made;
  const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
  const factors = tensorsOf(placesOf(plan.buffers, 'step'), 20);
  const inputs = { x_0: [...values(tokens * width, 31)], x_1: [...values(tokens * width, 32)] };
  const outputs = ['y_0', 'y_1', 'y_2'];
  const answer = runHost(module.folder, driver!, {
    tokens,
    weights,
    factors,
    calls: [
      ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
      ['forward', 0],
      ['forward', 1],
      ...outputs.map((name) => ['read', name] as const),
    ],
  });
  expect(answer.messages).toEqual([]);
  const expected = reference(found, { ...weights, ...factors }, inputs);
  for (const name of outputs)
    expect(worstError(answer.reads[name]!, expected[name]!.flat()), name).toBeLessThan(2e-6);
}

/** Launches of a plan that sum over subgroups. */
const overSubgroups = (plan: KernelPlan) => launchesOf(plan).filter(({ schedule }) => schedule.subgroups);

/** With tiles that SwiftShader compiles fast, and that read vectors. */
const byRow = casesFor(driver, [{ in: 20, out: 12, rank: 5 }], (size) => {
  const [found, tokens] = [contraction(LOTR, undefined, size), 7];
  const options = { device: profile('software', 'webgpu'), tokens, purpose: 'serve' } as const;
  const plan = loweredWgsl(choose(found, { ...options, adapters: 3, mostRank: 33 }));
  return { found, tokens, inputs: size.in, plan, module: compiled(webgpuHost(plan)) };
});
test.skipIf(!driver).each(byRow)(
  'rows with adapters of their own, of ranks 33, 1 and 7, agree with float64',
  { timeout: 300_000 },
  ({ found, tokens, inputs: width, plan, module }) => {
    const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
    const adapters = [
      { rank: 33, scale: 2 },
      { rank: 1, scale: 0.5 },
      { rank: 7, scale: -1.25 },
    ].map((one, n) => ({ ...one, factors: rowFactors(plan, one.rank, 20 + 30 * n) }));
    const plain = adapters.map(({ factors }) =>
      Object.fromEntries(Object.entries(factors).map(([name, data]) => [name, [...data]])),
    );
    const inputs = Object.fromEntries(
      ['x_0', 'x_1'].map((name, index) => [name, [...values(tokens * width, 31 + index)]]),
    );
    const rows = [2, null, 0, 1, 2, 0];
    const answer = runHost(module.folder, driver!, {
      tokens,
      weights,
      factors: plain[1]!,
      calls: [
        ...adapters.map(({ scale }, n) => ['setAdapter', plain[n], n, { scale }] as const),
        ['setRows', rows],
        ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
        ...found.regions.map((__, region) => ['forward', region] as const),
        ...['y_0', 'y_1', 'y_2'].map((name) => ['read', name] as const),
      ],
    });
    expect(answer.messages).toEqual([]);
    const expected = rowReference(found, adapters, weights, inputs, [...rows, null]);
    for (const name of ['y_0', 'y_1', 'y_2'])
      expect(worstError(answer.reads[name]!, expected(name)), name).toBeLessThan(2e-6);
  },
);

const subgroups = casesFor(driver && EVERYTHING, [LOTR], (spec) => {
  const made = trainingJob(spec, 'split', 4, 41, 'f32', { subgroups: true });
  return { ...made, module: compiled(webgpuHost(made.plan)) };
});
test.skipIf(!driver || !EVERYTHING).each(subgroups)(
  'with subgroups, for other numbers of tokens than planned: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  ({ plan, job, check, module }) => {
    expect(new Set(overSubgroups(plan).map(({ family }) => family))).toEqual(new Set(['skinny', 'gemm']));
    check(runHost(module.folder, driver!, job));
  },
);

const subgroupBatch = casesFor(driver, [LOTR], (spec) => {
  const made = batchJob(spec, 5, 'f32', true);
  return { ...made, module: compiled(webgpuHost(made.plan)) };
});
test.skipIf(!driver).each(subgroupBatch)(
  'with subgroups, several adapters in a batch: every block of rows has its own',
  { timeout: 300_000 },
  ({ plan, job, check, module }) => {
    expect(overSubgroups(plan).some(({ work }) => work.kind === 'product' && work.chain)).toBe(true);
    check(runHost(module.folder, driver!, job));
  },
);

/** With tiles that SwiftShader compiles fast. */
const sliced = casesFor(driver && EVERYTHING, [{ in: 132, out: 44, rank: 4 }], (size) => {
  const [found, tokens] = [contraction(LOTR, undefined, size), 5];
  const small = { ...profile('software', 'webgpu'), bindingBytes: 17000 };
  const how = { tokens, purpose: 'serve', strategy: 'split' } as const;
  const plan = loweredWgsl(choose(found, { device: small, ...how }));
  return { found, tokens, inputs: size.in, plan, module: compiled(webgpuHost(plan)) };
});
test.skipIf(!driver || !EVERYTHING).each(sliced)(
  'weights in slices: bindings of some rows agree with float64',
  { timeout: 300_000 },
  (made) => {
    expect(launchesOf(made.plan).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['layer_0_slice_1', 'layer_2_slice_1']),
    );
    served(made);
  },
);

const oneToken = casesFor(driver, [contraction(LOTR)], (found) => {
  const tokens = 1;
  const plan = choose(found, { device, tokens, purpose: 'serve', strategy: 'widen', subgroups: true });
  return { found, tokens, inputs: IN, plan, module: compiled(webgpuHost(plan)) };
});
test.skipIf(!driver).each(oneToken)(
  'with subgroups, one token in one launch per layer agrees with float64',
  { timeout: 300_000 },
  (made) => {
    expect(overSubgroups(made.plan).map(({ family }) => family)).toEqual(['gemv', 'gemv', 'gemv']);
    served(made);
  },
);

test('a module asks for subgroups where its plan has them, and for them only there', () => {
  const module = (subgroups: boolean) => {
    const plan = choose(contraction(LOTR), { device, tokens: 4, purpose: 'train', subgroups });
    return webgpuHost(plan).find(({ path }) => path === 'index.ts')!.text;
  };
  const features = (text: string) =>
    /FEATURES: readonly GPUFeatureName\[\] = \[([^\]]*)\];/.exec(text)?.[1]?.trim();
  expect(features(module(true))).toMatch(/^'subgroups',?$/);
  expect(module(true)).toMatch(/enable subgroups;/);
  expect(features(module(false))).toBe('');
  expect(module(false)).not.toMatch(/enable subgroups|subgroupAdd/);
});

const deno = denoProgram();

const inDeno = casesFor(deno, allOrFirst(['f16', 'f32']), (dtype) => {
  const made = trainingJob(LOTR, 'split', 300, 41, dtype);
  return [dtype, { ...made, module: compiled(webgpuHost(made.plan)) }] as const;
});
test.skipIf(!deno).each(inDeno)(
  'in Deno, %s: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  (_, { job, check, module: { folder } }) =>
    check(runHost(folder, denoEnvironment(folder), job, denoCommand(deno!))),
);

const browser = chromium();

const inChromium = casesFor(
  browser,
  allOrFirst([
    ['several adapters in a batch', () => batchJob(LOTR, 3)],
    ['forward, backward and a step', () => trainingJob(LOTR, 'split', 300, 41, 'f32', { usual: true })],
  ] as const),
  ([name, make]) => {
    const { plan, job, check } = make();
    return [name, { job, check, module: compiled(webgpuHost(plan)) }] as const;
  },
);
test.skipIf(!browser).each(inChromium)(
  'in Chromium, bundled: %s agree with float64',
  { timeout: 300_000 },
  async (_, { job, check, module }) => {
    const answer = await runInBrowser(browser!, module.folder, job);
    expect(answer.agent).toContain('Chrome/');
    check(answer);
  },
);

const serving = casesFor(driver, [contraction(LOTR)], (found) => {
  const options = {
    device,
    tokens: 7,
    purpose: 'serve',
    strategy: 'widen',
    schedules: tilesToRun(device),
  } as const;
  const plan = choose(found, options);
  return { found, plan, module: compiled(webgpuHost(plan)) };
});
test.skipIf(!driver).each(serving)(
  'a module for serving has forward only, and takes other adapters',
  { timeout: 300_000 },
  ({ found, plan, module: { folder } }) => {
    const all = allPlaces(plan);
    const [tensors, others] = [tensorsOf(all, 3), tensorsOf(all, 90)];
    const only = (life: 'weight' | 'step', from: typeof tensors) =>
      Object.fromEntries(Object.keys(placesOf(plan.buffers, life)).map((name) => [name, from[name]!]));
    const inputs = { x_0: [...values(7 * IN, 31)], x_1: [...values(7 * IN, 32)] };
    const answer = runHost(folder, driver!, {
      tokens: 7,
      weights: only('weight', tensors),
      factors: only('step', tensors),
      calls: [
        ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
        ['forward', 0],
        ['read', 'y_1', 'before'],
        ['setAdapter', only('step', others)],
        ['forward', 0],
        ['read', 'y_1', 'after'],
        ['write', 'x_0', [1, 2, 3]],
        ['setAdapter', { nobody: [1] }],
        ['forward', 9],
      ],
    });
    expect(answer.names).toEqual([
      'tokens',
      'buffers',
      'setWeights',
      'setAdapter',
      'write',
      'read',
      'encode',
      'forward',
      'destroy',
    ]);
    expect(answer.messages).toEqual([
      'x_0 is M x 17 with M = 7: 119 numbers, not 3',
      'there is no tensor nobody here',
      'there is no region 9, only 2',
    ]);
    const before = reference(found, tensors, inputs).y_1!.flat();
    const after = reference(found, { ...tensors, ...only('step', others) }, inputs).y_1!.flat();
    expect(worstError(answer.reads.before!, before)).toBeLessThan(2e-6);
    expect(worstError(answer.reads.after!, after)).toBeLessThan(2e-6);
  },
);

const use = (line: string) => ({
  path: 'use.ts',
  text: `import { createAdapters } from './index.js';
export async function use(device: GPUDevice): Promise<void> {
  const host = await createAdapters(device, { tokens: 7 });
  ${line}
}
`,
});
const typed = webgpuHost(choose(contraction(LOTR), { device, tokens: 7, purpose: 'serve' }));
// compiled with the others
compiled([...typed, use("host.write('x_0', new Float32Array(7)); host.forward(1);")]);

test('the types of a module refuse names that its plan does not have', { timeout: 300_000 }, () => {
  const wrong = [
    ["host.write('x_9', new Float32Array(7));", '\'"x_9"\' is not assignable'],
    ['host.forward(2);', "'2' is not assignable"],
    ['host.backward(0);', "'backward' does not exist"],
  ] as const;
  const lines = wrong.map(([line]) => line).join('\n  ');
  expect(() => compileHosts([[...typed, use(lines)]])).toThrowError(
    expect.objectContaining({ message: expect.stringMatching(/x_9[\s\S]*'2'[\s\S]*'backward'/) }),
  );
});

type Batched = readonly [name: string, rank: number, spec: AdapterSpec];
const batchOf =
  (dtype: 'f32' | 'f16') =>
  ([name, rank, spec]: Batched) => {
    const made = batchJob(spec, rank, dtype);
    return [name, rank, { ...made, module: compiled(webgpuHost(made.plan)) }] as const;
  };
const BATCHES: readonly Batched[] = [
  // the columns of T need more than one tile
  ['lotr', 5, LOTR],
  ['lotr', 3, LOTR],
  ['lora', 3, LORA],
];
test.skipIf(!driver).each(casesFor(driver, everySecond(allOrFirst(BATCHES)), batchOf('f32')))(
  'several adapters in a batch, %s of rank %i: every block of rows has its own',
  { timeout: 300_000 },
  (_name, _rank, { job, check, module }) => check(runHost(module.folder, driver!, job)),
);

const HALVES: readonly Batched[] = [
  ['lora', 1, LORA],
  ['lotr', 3, LOTR],
  ['lotr', 5, LOTR],
];
test.skipIf(!deno).each(casesFor(deno, everySecond(allOrFirst(HALVES)), batchOf('f16')))(
  'in Deno, f16, several adapters in a batch, %s of rank %i: every block of rows has its own',
  { timeout: 300_000 },
  (_name, _rank, { job, check, module: { folder } }) =>
    check(runHost(folder, denoEnvironment(folder), job, denoCommand(deno!))),
);

const MERGING = [
  ['lotr', LOTR],
  ['lora', LORA],
] as const;
const merging = casesFor(driver, everySecond(allOrFirst(MERGING)), ([name, spec]) => {
  const found = contraction(spec);
  const options = {
    device,
    tokens: 9,
    purpose: 'serve',
    merging: true,
    schedules: tilesToRun(device),
  } as const;
  const plan = choose(found, options);
  return [name, { found, plan, module: compiled(webgpuHost(plan)) }] as const;
});
test.skipIf(!driver).each(merging)(
  'merge and unmerge, %s: the same results, with and without the adapter in the weights',
  {
    timeout: 300_000,
  },
  (_, { found, plan, module: { folder } }) => {
    const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
    const factors = tensorsOf(placesOf(plan.buffers, 'step'), 20);
    const inputs = Object.fromEntries(
      ['x_0', 'x_1'].map((name, index) => [name, [...values(9 * IN, 31 + index)]]),
    );
    const of = (prefix: string) =>
      plan.buffers.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name);
    const forward = found.regions.map((__, region) => ['forward', region] as const);
    const reads = (names: readonly string[], when: string) =>
      names.map((name) => ['read', name, `${name} ${when}`] as const);
    const answer = runHost(folder, driver!, {
      tokens: 9,
      weights,
      factors,
      calls: [
        ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
        ...reads(of('W_'), 'before'),
        ['merge'],
        ...forward,
        ...reads([...of('W_'), ...of('y_')], 'merged'),
        ['merge'],
        ['setAdapter', factors],
        ['unmerge'],
        ...forward,
        ...reads([...of('W_'), ...of('y_')], 'after'),
        ['unmerge'],
      ],
    });
    expect(answer.messages).toEqual([
      'the adapter is in the weights already',
      'the adapter is in the weights: unmerge first',
      'the adapter is not in the weights',
    ]);
    const expected = reference(found, { ...weights, ...factors }, inputs);
    for (const name of of('y_')) {
      for (const when of ['merged', 'after'])
        expect(
          worstError(answer.reads[`${name} ${when}`]!, expected[name]!.flat()),
          `${name} ${when}`,
        ).toBeLessThan(2e-6);
    }
    for (const name of of('W_')) {
      const [before, merged, after] = ['before', 'merged', 'after'].map(
        (when) => answer.reads[`${name} ${when}`]!,
      );
      expect(worstError(merged!, before!), `${name} changes`).toBeGreaterThan(0.1);
      expect(worstError(after!, before!), `${name} comes back`).toBeLessThan(1e-6);
    }
  },
);
