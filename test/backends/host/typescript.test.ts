import { rmSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { launchesOf, placesOf } from '../../../src/backends/host/shared/tables.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import type { KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { chromium, runInBrowser } from '../../support/browser.js';
import { dawnEnvironment } from '../../support/dawn.js';
import { denoCommand, denoEnvironment, denoProgram } from '../../support/deno.js';
import { profile } from '../../support/devices.js';
import { allOrFirst, EVERYTHING } from '../../support/everything.js';
import { compileHost, runHost } from '../../support/host.js';
import { batchJob } from '../../support/host-batch.js';
import { contraction, IN, reference } from '../../support/host-layers.js';
import { trainingJob } from '../../support/host-training.js';
import { values } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { allPlaces, tensorsOf } from '../../support/two-passes.js';

const driver = dawnEnvironment();
const device = profile('webgpu-laptop', 'webgpu');
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

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

test.skipIf(!driver).each(allOrFirst(TRAINING))(
  '%s: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  (_, spec, strategy, planned, tokens, optimizer) => {
    const { plan, job, check } = trainingJob(spec, strategy, planned, tokens, 'f32', { optimizer });
    const folder = compileHost(webgpuHost(plan, optimizer));
    folders.push(folder);
    check(runHost(folder, driver!, job));
  },
);

/** Launches of a plan that sum over subgroups. */
const overSubgroups = (plan: KernelPlan) => launchesOf(plan).filter(({ schedule }) => schedule.subgroups);

test.skipIf(!driver || !EVERYTHING)(
  'with subgroups, for other numbers of tokens than planned: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  () => {
    const { plan, job, check } = trainingJob(LOTR, 'split', 4, 41, 'f32', { subgroups: true });
    expect(new Set(overSubgroups(plan).map(({ family }) => family))).toEqual(new Set(['skinny', 'gemm']));
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    check(runHost(folder, driver!, job));
  },
);

test.skipIf(!driver)(
  'with subgroups, several adapters in a batch: every block of rows has its own',
  { timeout: 300_000 },
  () => {
    const { plan, job, check } = batchJob(LOTR, 5, 'f32', true);
    expect(overSubgroups(plan).some(({ work }) => work.kind === 'product' && work.chain)).toBe(true);
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    check(runHost(folder, driver!, job));
  },
);

test.skipIf(!driver)(
  'with subgroups, one token in one launch per layer agrees with float64',
  { timeout: 300_000 },
  () => {
    const [found, tokens] = [contraction(LOTR), 1];
    const plan = choose(found, { device, tokens, purpose: 'serve', strategy: 'widen', subgroups: true });
    expect(overSubgroups(plan).map(({ family }) => family)).toEqual(['gemv', 'gemv', 'gemv']);
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
    const factors = tensorsOf(placesOf(plan.buffers, 'step'), 20);
    const inputs = { x_0: [...values(tokens * IN, 31)], x_1: [...values(tokens * IN, 32)] };
    const outputs = ['y_0', 'y_1', 'y_2'];
    const answer = runHost(folder, driver!, {
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

test.skipIf(!deno).each(['f32', 'f16'] as const)(
  'in Deno, %s: forward, backward and a step agree with float64',
  { timeout: 300_000 },
  (dtype) => {
    const { plan, job, check } = trainingJob(LOTR, 'split', 300, 41, dtype);
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    check(runHost(folder, denoEnvironment(folder), job, denoCommand(deno!)));
  },
);

const browser = chromium();

test.skipIf(!browser).each(
  allOrFirst([
    ['several adapters in a batch', () => batchJob(LOTR, 3)],
    ['forward, backward and a step', () => trainingJob(LOTR, 'split', 300, 41)],
  ] as const),
)('in Chromium, bundled: %s agree with float64', { timeout: 120_000 }, async (_, made) => {
  const { plan, job, check } = made();
  const folder = compileHost(webgpuHost(plan));
  folders.push(folder);
  const answer = await runInBrowser(browser!, folder, job);
  expect(answer.agent).toContain('Chrome/');
  check(answer);
});

test.skipIf(!driver)(
  'a module for serving has forward only, and takes other adapters',
  { timeout: 300_000 },
  () => {
    const found = contraction(LOTR);
    const plan = choose(found, { device, tokens: 7, purpose: 'serve', strategy: 'widen' });
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
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

test('the types of a module refuse names that its plan does not have', { timeout: 60_000 }, () => {
  const plan = choose(contraction(LOTR), { device, tokens: 7, purpose: 'serve' });
  const use = (line: string) => ({
    path: 'use.ts',
    text: `import { createAdapters } from './index.js';
export async function use(device: GPUDevice): Promise<void> {
  const host = await createAdapters(device, { tokens: 7 });
  ${line}
}
`,
  });
  const files = webgpuHost(plan);
  folders.push(compileHost([...files, use("host.write('x_0', new Float32Array(7)); host.forward(1);")]));
  const wrong = [
    ["host.write('x_9', new Float32Array(7));", '\'"x_9"\' is not assignable'],
    ['host.forward(2);', "'2' is not assignable"],
    ['host.backward(0);', "'backward' does not exist"],
  ] as const;
  const lines = wrong.map(([line]) => line).join('\n  ');
  expect(() => compileHost([...files, use(lines)])).toThrowError(
    expect.objectContaining({ message: expect.stringMatching(/x_9[\s\S]*'2'[\s\S]*'backward'/) }),
  );
});

test.skipIf(!driver).each(
  allOrFirst([
    // the columns of T need more than one tile
    ['lotr', 5, LOTR],
    ['lotr', 3, LOTR],
    ['lora', 3, LORA],
  ] as const),
)(
  'several adapters in a batch, %s of rank %i: every block of rows has its own',
  { timeout: 300_000 },
  (_, rank, spec) => {
    const { plan, job, check } = batchJob(spec, rank);
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    check(runHost(folder, driver!, job));
  },
);

test.skipIf(!deno).each([
  ['lotr', 3, LOTR],
  ['lotr', 5, LOTR],
  ['lora', 1, LORA],
] as const)(
  'in Deno, f16, several adapters in a batch, %s of rank %i: every block of rows has its own',
  { timeout: 300_000 },
  (_, rank, spec) => {
    const { plan, job, check } = batchJob(spec, rank, 'f16');
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
    check(runHost(folder, denoEnvironment(folder), job, denoCommand(deno!)));
  },
);

test.skipIf(!driver).each(
  allOrFirst([
    ['lotr', LOTR],
    ['lora', LORA],
  ] as const),
)(
  'merge and unmerge, %s: the same results, with and without the adapter in the weights',
  {
    timeout: 300_000,
  },
  (_, spec) => {
    const found = contraction(spec);
    const plan = choose(found, { device, tokens: 9, purpose: 'serve', merging: true });
    const folder = compileHost(webgpuHost(plan));
    folders.push(folder);
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
