import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loweredBy } from '../../../src/backends/host/shared/lower.js';
import type { KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose, type PlanOptions } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import { plansJson } from '../../../src/backends/kernel/plan/explain-json.js';
import { siText, timeText } from '../../../src/backends/kernel/plan/unit-text.js';
import { contractionOf, type Sketch } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';
import { expectFile, expectNothingElse } from '../../support/expected.js';
import { loweringOf } from '../../support/lowerings.js';

const laptop = profile('webgpu-laptop', 'webgpu');
const h100 = profile('h100', 'cuda');
const FOLDER = join(import.meta.dirname, '../../data/kernel-plans');

const CASES: readonly (readonly [
  name: string,
  sketch: Omit<Sketch, 'factors'> & { factors?: 2 },
  options: PlanOptions,
])[] = [
  [
    'one-layer-with-bias',
    { in: 768, out: 768, rank: 8, inputs: [['encoder.proj']] },
    { device: laptop, tokens: 1024, purpose: 'train' },
  ],
  [
    'q-k-v-share-p',
    { in: 4096, out: 4096, rank: 16, inputs: [['attn.q', 'attn.k', 'attn.v'], ['attn.o']] },
    { device: h100, dtype: 'bf16', tokens: 8192, purpose: 'train' },
  ],
  [
    'decode-one-token',
    { in: 4096, out: 4096, rank: 8, inputs: [['attn.q', 'attn.k', 'attn.v']] },
    { device: h100, dtype: 'bf16', tokens: 1, purpose: 'serve' },
  ],
  [
    'many-tokens-small-layer',
    { in: 768, out: 768, rank: 128, inputs: [['mlp.up']] },
    { device: laptop, tokens: 8192, purpose: 'train' },
  ],
  [
    'lora-side-by-side',
    { in: 1024, out: 1024, rank: 8, factors: 2, ownA: true, inputs: [['q', 'v'], ['o']] },
    { device: laptop, tokens: 512, purpose: 'train' },
  ],
  [
    'eight-adapters-in-a-batch',
    { in: 4096, out: 4096, rank: 16, inputs: [['q', 'k', 'v']] },
    { device: h100, dtype: 'bf16', tokens: 256, purpose: 'serve', adapters: 8 },
  ],
  [
    'bordered-weight-on-request',
    { in: 4096, out: 4096, rank: 12, inputs: [['q', 'k']] },
    { device: h100, dtype: 'bf16', tokens: 1024, purpose: 'train', strategy: 'bordered' },
  ],
  [
    'into-the-weights-and-out',
    { in: 768, out: 768, rank: 8, inputs: [['q', 'k']] },
    { device: laptop, tokens: 32, purpose: 'serve', merging: true },
  ],
  [
    'few-tokens-over-subgroups',
    { in: 770, out: 770, rank: 8, inputs: [['q', 'k']] },
    { device: laptop, tokens: 4, purpose: 'train', subgroups: true },
  ],
  [
    'one-token-over-subgroups',
    { in: 770, out: 770, rank: 8, inputs: [['q', 'k']] },
    { device: laptop, tokens: 1, purpose: 'serve', subgroups: true },
  ],
  [
    'activation-in-the-epilogue',
    { in: 768, out: 3072, rank: 8, inputs: [['fc1']], activation: 'gelu' },
    { device: laptop, tokens: 128, purpose: 'serve' },
  ],
];

/** The plan as the command line has it: forms are compared by what is emitted, and that is what is shown. */
function emitted(sketch: (typeof CASES)[number][1], options: PlanOptions): KernelPlan {
  const { device, tokens, adapters = 1 } = options;
  const make = () => loweringOf({ device, tokens, adapters });
  const priced = make();
  const plan = choose(contractionOf({ factors: 3, ...sketch }), {
    ...options,
    emitted: (launch) => priced.of(launch),
  });
  return loweredBy(make(), plan);
}

test.each(CASES)('the text for %s', (name, sketch, options) => {
  const text = explainPlan(emitted(sketch, options));
  expectFile(join(FOLDER, `${name}.txt`), text);
  expect(text).toMatch(/^[\n\x20-\x7e]*\n$/);
});

test('no expected file is left over', () => {
  expectNothingElse(
    FOLDER,
    CASES.map(([name]) => `${name}.txt`),
  );
});

test('the JSON has the same figures', () => {
  const plan = choose(contractionOf({ factors: 3, in: 96, out: 64, rank: 4, inputs: [['q', 'k']] }), {
    device: laptop,
    tokens: 100,
    purpose: 'train',
  });
  const { plans } = JSON.parse(plansJson([plan])) as {
    plans: { regions: { forward: { seconds: number }[] }[]; total: { launches: number; seconds: number } }[];
  };
  const launches = [
    ...plan.prologue,
    ...plan.regions.flatMap((r) => [...r.forward, ...r.backward]),
    ...plan.epilogue,
  ];
  expect(plans[0]!.total.launches).toBe(launches.length);
  expect(plans[0]!.total.seconds).toBeCloseTo(
    launches.reduce((sum, l) => sum + l.predicted.seconds, 0),
    12,
  );
  expect(plans[0]!.regions[0]!.forward.map(({ seconds }) => seconds)).toEqual(
    plan.regions[0]!.forward.map(({ predicted }) => Number(predicted.seconds.toPrecision(9))),
  );
});

test('figures have three digits and a unit', () => {
  expect([0, 77, 12.34e3, 999.4e6, 999.6e6, 1.5e12].map((value) => siText(value, 'B'))).toEqual([
    '0 B',
    '77 B',
    '12.3 kB',
    '999 MB',
    '1.00 GB',
    '1.50 TB',
  ]);
  expect([2e-6, 61.54e-6, 1.234e-3, 2.5].map(timeText)).toEqual(['2 us', '61.5 us', '1.23 ms', '2.50 s']);
});
