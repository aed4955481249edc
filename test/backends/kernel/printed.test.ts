import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { stepKernel } from '../../../src/backends/kernel/gen/step.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { printCuda } from '../../../src/backends/kernel/print/cuda/print.js';
import { printHip } from '../../../src/backends/kernel/print/hip/print.js';
import { printWgsl } from '../../../src/backends/kernel/print/wgsl/print.js';
import { adamw } from '../../../src/train/optimizers/adamw.js';
import { expectFile, expectNothingElse } from '../../support/expected.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { planCases } from '../../support/plan-cases.js';
import { subgroupCases } from '../../support/subgroup-cases.js';
import { stagedCases } from '../../support/unit-cases.js';
import { gemvCases, vectorCases } from '../../support/vector-cases.js';

const FOLDER = join(import.meta.dirname, '../../data/kernels');
const SHOWN = [
  'bias_residual_relu',
  'skinny_p',
  'token_chain',
  'sum_over_tokens',
  'widened',
  'many_adapters',
  'lanes_few_rows',
  'lanes_merged_launch',
];

const kernels: readonly Kernel[] = [
  ...[...kernelCases(), ...subgroupCases()]
    .filter(({ name }) => SHOWN.includes(name))
    .map(({ launch }) => kernelOf(launch)),
  {
    ...kernelOf(planCases().find(({ launch }) => launch.work.kind === 'reduce')!.launch),
    name: 'reduce_partials',
  },
  stepKernel(adamw, 'adamw_step', 85),
];

/** In WGSL alone. */
const vectors = [...vectorCases(), ...gemvCases()]
  .filter(({ name }) => name === 'vectors_weights_stored_out_in' || name === 'gemv_three_rows')
  .map(({ launch }) => kernelOf(launch));

test.each(vectors.map((kernel) => [kernel.name, kernel] as const))(
  '%s is printed as wgsl in the same words',
  (name, kernel) => expectFile(join(FOLDER, `${name}.wgsl`), printWgsl(kernel)),
);

/** In HIP alone. */
const staged = stagedCases('bf16')
  .filter(({ name }) => name === 'weights_stored_out_in_staged_bf16')
  .map(({ launch }) => kernelOf(launch));

test.each(staged.map((kernel) => [kernel.name, kernel] as const))(
  '%s is printed as hip in the same words',
  (name, kernel) => expectFile(join(FOLDER, `${name}.hip`), printHip([kernel])),
);

describe.each(kernels.map((kernel) => [kernel.name, kernel] as const))('%s', (name, kernel) => {
  test.each([
    ['wgsl', printWgsl(kernel)],
    ['cu', printCuda([kernel])],
  ])('is printed as %s in the same words', (extension, text) => {
    expectFile(join(FOLDER, `${name}.${extension}`), text);
  });
});

test('no expected file is left over', () => {
  expectNothingElse(FOLDER, [
    ...kernels.flatMap(({ name }) => [`${name}.wgsl`, `${name}.cu`]),
    ...vectors.map(({ name }) => `${name}.wgsl`),
    ...staged.map(({ name }) => `${name}.hip`),
  ]);
});

test.each([
  ['wgsl/print.ts', 200],
  ['cuda/print.ts', 300],
])('the printer %s has at most %i lines', (file, most) => {
  const source = readFileSync(join(import.meta.dirname, '../../../src/backends/kernel/print', file), 'utf8');
  expect(source.split('\n').length).toBeLessThanOrEqual(most);
});
