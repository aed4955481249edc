import { describe, expect, test } from 'vitest';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { stepOptimizer } from '../../../src/backends/host/shared/optimizer.js';
import { trainedOf } from '../../../src/backends/host/shared/steps.js';
import { torchText } from '../../../src/backends/host/torch/torch.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import { plansJson } from '../../../src/backends/kernel/plan/explain-json.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { rewrite } from '../../../src/rewrite.js';
import { contractionOf, type Sketch } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';
import { everyNth } from '../../support/everything.js';
import { contraction, LORA_FA } from '../../support/host-layers.js';
import { interpreted, wholePlan, worstOf } from '../../support/whole-plan.js';

const webgpu = profile('webgpu-laptop', 'webgpu');
const cuda = profile('h100', 'cuda');
const LAYERS = {
  in: 13,
  out: 9,
  rank: 3,
  inputs: [
    ['q', 'k'],
    ['o', 'q#2'],
  ],
} as const;

/** Every choice of frozen factors but all and none. */
const some = (names: readonly string[]) =>
  Array.from({ length: 2 ** names.length - 2 }, (_, bits) => names.filter((__, k) => ((bits + 1) >> k) & 1));

const CASES: readonly (readonly [Partial<Sketch> & Pick<Sketch, 'factors'>, readonly string[]])[] = [
  ...some(['R', 'M', 'L']).map((frozen) => [{ factors: 3 }, frozen] as const),
  ...some(['A', 'B']).flatMap(
    (frozen) =>
      [
        [{ factors: 2 }, frozen],
        [{ factors: 2, ownA: true }, frozen],
      ] as const,
  ),
];

const FEW = CASES.filter(([{ ownA }, frozen]) => (ownA ? frozen[0] === 'A' : `${frozen}` === 'M,L'));

describe.each([
  // in CI all choices
  ['split', webgpu, everyNth(2, CASES)],
  ['merged', webgpu, FEW],
  ['split', cuda, FEW.slice(1)],
] as const)('frozen factors in the form %s', (strategy, device, cases) => {
  test.each(cases)(
    '%j with %j frozen: y, dx and the other gradients are those of float64',
    (kind, frozen) => {
      const sketch: Sketch = { ...LAYERS, ...kind, frozen };
      const options = { device, tokens: 5, purpose: 'train', strategy } as const;
      const whole = wholePlan(sketch, options);
      for (const launch of whole.launches) expect(verifyKernel(kernelOf(launch), device)).toEqual([]);
      const { name, error } = worstOf(whole, interpreted(whole));
      expect(error, name).toBeLessThan(2e-6);
      // no work, no memory and no step for what is frozen
      const all = choose(contractionOf({ ...sketch, frozen: [] }), options);
      const tensors = new Set(
        whole.plan.groups
          .flatMap(({ factors }) => factors.filter((f) => !f.trainable))
          .flatMap((f) => f.tensors),
      );
      const stepped = new Set(trainedOf(whole.plan).map(({ factor }) => factor));
      for (const { name: buffer, from = [] } of whole.plan.buffers)
        if (from.some((tensor) => tensors.has(tensor))) expect(stepped).not.toContain(buffer);
      expect(whole.plan.buffers.length).toBeLessThan(all.buffers.length);
      const launches = (plan: typeof all) =>
        plan.regions.flatMap(({ backward }) => backward).length + plan.epilogue.length;
      expect(launches(whole.plan)).toBeLessThan(launches(all));
    },
  );
});

test('the description of an adapter reaches plans, their texts, and the PyTorch module', () => {
  const found = contraction(LORA_FA);
  expect(found.groups[0]!.factors).toMatchObject([
    { name: 'A', trainable: false, lrMultiplier: 1 },
    { name: 'B', trainable: true, lrMultiplier: 4 },
  ]);
  const plan = choose(found, { device: cuda, tokens: 21, purpose: 'train', strategy: 'split' });
  expect(explainPlan(plan)).toContain('; A, B per layer, A frozen, B at 4 times the learning rate\n');
  const serving = choose(found, { device: cuda, tokens: 21, purpose: 'serve' });
  expect(explainPlan(serving)).not.toContain('frozen');
  const [json] = (
    JSON.parse(plansJson([plan])) as {
      plans: { groups: unknown[]; regions: { terms: Record<string, { out: string }[]> }[] }[];
    }
  ).plans;
  expect(json!.groups[0]).toMatchObject({
    factors: [
      { name: 'A', trainable: false, lrMultiplier: 1 },
      { name: 'B', trainable: true, lrMultiplier: 4 },
    ],
  });
  const outs = json!.regions.flatMap(({ terms }) =>
    Object.values(terms)
      .flat()
      .map(({ out }) => out),
  );
  expect(outs).toContain('d.lora-fa/q/B');
  expect(outs).not.toContain('d.lora-fa/q/A');
  expect(trainedOf(plan).map(({ factor }) => factor)).toEqual(['B_0']);
  const text = torchText(plan, stepOptimizer('adamw'));
  expect(text).toContain('FROZEN = [\n    "lora-fa/q/A",\n    "lora-fa/k/A",\n    "lora-fa/o/A",\n]');
  expect(text).toContain('LR_MULTIPLIERS = {\n    "lora-fa/q/B": 4,');
});

test('terms without the gradient of M and L need no sums over tokens either', () => {
  const frozen = ['M', 'L'];
  const plan = choose(contractionOf({ ...LAYERS, factors: 3, frozen }), {
    device: webgpu,
    tokens: 21,
    purpose: 'train',
    strategy: 'split',
  });
  const [json] = (
    JSON.parse(plansJson([plan])) as { plans: { regions: { terms: Record<string, { out: string }[]> }[] }[] }
  ).plans;
  const outs = json!.regions.flatMap(({ terms }) =>
    Object.values(terms)
      .flat()
      .map(({ out }) => out),
  );
  expect(outs.filter((out) => /^(Z|d)\./.test(out) && !/^d\.(x|P)/.test(out))).toEqual(['d.R', 'd.R']);
});

test('kernels for training an adapter with nothing to train are refused (LOTR6031)', () => {
  const model = readModel('test/data/cases/train/tied.ts.onnx');
  const factors = LOTR.factors.map((factor) => ({ ...factor, mode: 'frozen' as const }));
  rewrite(model, { rank: 2, targets: ['c_attn'], spec: { ...LOTR, factors } });
  const found = contract(model);
  expect(() => choose(found, { device: webgpu, tokens: 8, purpose: 'train' })).toThrow(/LOTR6031/);
  expect(choose(found, { device: webgpu, tokens: 8, purpose: 'serve' }).regions.length).toBeGreaterThan(0);
});
