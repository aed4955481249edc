import { describe, expect, test } from 'vitest';
import { STEP_KINDS, stepOptimizer } from '../../../src/backends/host/shared/optimizer.js';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { stepKernel } from '../../../src/backends/kernel/gen/step.js';
import { printWgsl } from '../../../src/backends/kernel/print/wgsl/print.js';
import { hasCompiler } from '../../support/compilers.js';
import { runOnCpu } from '../../support/cuda.js';
import {
  dawnEnvironment,
  execution,
  floats,
  runDawn,
  validation,
  validationEnvironment,
} from '../../support/dawn.js';
import { everyNth } from '../../support/everything.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';

/** What a driver runs takes a moment each: in CI all. */
const cases = everyNth(3, kernelCases());
const driver = dawnEnvironment();
const validator = validationEnvironment();

let answers: ReturnType<typeof runDawn> | undefined;
/** What Dawn answers to every case, run once. */
function byDawn(): ReturnType<typeof runDawn> {
  answers ??= runDawn(
    'vulkan',
    driver!,
    cases.map((one) => execution(kernelOf(one.launch), one)),
  );
  return answers;
}

describe.skipIf(!driver)('WGSL run by Dawn', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    const errors = byDawn().map(({ messages, out }, index) => ({
      name: cases[index]!.name,
      messages,
      close: out !== null && worstError(floats(out), cases[index]!.expected) < 2e-6,
    }));
    expect(errors).toEqual(cases.map(({ name }) => ({ name, messages: [], close: true })));
  });
});

describe.skipIf(!driver || !hasCompiler('g++'))('WGSL and CUDA', () => {
  test('agree with each other to rounding for every kernel', { timeout: 300_000 }, () => {
    // the program of cuda.test.ts
    const cuda = runOnCpu(
      cases.map((one) => ({ ...one, kernel: kernelOf(one.launch) })),
      { checked: true },
    );
    const errors = byDawn().map(({ out }, index) => [
      cases[index]!.name,
      worstError(floats(out!), [...cuda[index]!]),
    ]);
    expect(errors.filter(([, error]) => !(Number(error) <= 1e-6))).toEqual([]);
  });
});

describe.skipIf(!validator)('WGSL', () => {
  test('with 16-bit operands is valid for every kernel', { timeout: 300_000 }, () => {
    const kernels = kernelCases().map((one) => {
      const kernel = kernelOf(one.launch);
      const buffers = kernel.buffers.map((param) =>
        param.elem === 'f32' ? ({ ...param, elem: 'f16' } as const) : param,
      );
      return { ...kernel, buffers };
    });
    const answers = runDawn('null', validator!, kernels.map(validation));
    expect(answers.flatMap(({ messages }) => messages)).toEqual([]);
  });

  test('is valid for the step of every optimizer of single elements', { timeout: 300_000 }, () => {
    const steps = STEP_KINDS.map((kind) => stepKernel(stepOptimizer(kind), `${kind}_step`, 85, 4));
    const answers = runDawn('null', validator!, steps.map(validation));
    expect(answers.map(({ messages }) => messages)).toEqual(steps.map(() => []));
  });
});

test('bfloat16, which WGSL does not have, is LOTR6103', () => {
  const kernel = kernelOf(cases[0]!.launch);
  const buffers = kernel.buffers.map((param) => ({ ...param, elem: 'bf16' as const }));
  expect(() => printWgsl({ ...kernel, buffers })).toThrow(/LOTR6103.*bfloat16/);
});

test('launches without a kernel are LOTR6101', () => {
  const { launch } = cases[0]!;
  const refusal = expect.objectContaining({ diagnostics: [expect.objectContaining({ code: 'LOTR6101' })] });
  expect(() => kernelOf({ ...launch, family: 'blas' })).toThrow(refusal);
  const chain = kernelCases().find(({ name }) => name === 'token_chain')!.launch;
  expect(() => kernelOf({ ...chain, schedule: { ...chain.schedule, BN: 4 } })).toThrow(refusal);
  expect(() => kernelOf({ ...chain, schedule: { ...chain.schedule, warps: 8 } })).toThrow(refusal);
});
