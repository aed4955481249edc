import { describe, expect, test } from 'vitest';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import type { Kernel } from '../../../src/backends/kernel/ir/kir.js';
import { execution, floats, fromHalves } from '../../support/dawn.js';
import { denoProgram, runDeno } from '../../support/deno.js';
import { everyNth } from '../../support/everything.js';
import { inHalf, kernelCases } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';

const program = denoProgram();
/** In CI all. */
const cases = everyNth(3, kernelCases());
const narrow = (kernel: Kernel): Kernel => ({
  ...kernel,
  buffers: kernel.buffers.map((param) => (param.elem === 'f32' ? { ...param, elem: 'f16' } : param)),
});

describe.skipIf(!program)('WGSL by another compiler (naga) and driver (lavapipe)', () => {
  test('agrees with float64 for every kernel', { timeout: 300_000 }, () => {
    const answers = runDeno(
      program!,
      cases.map((one) => execution(kernelOf(one.launch), one)),
    );
    const errors = answers.map(({ messages, out }, index) => ({
      name: cases[index]!.name,
      messages,
      close: out !== null && worstError(floats(out), cases[index]!.expected) < 2e-6,
    }));
    expect(errors).toEqual(cases.map(({ name }) => ({ name, messages: [], close: true })));
  });

  test('in float16, summed in float32, agrees with float64 to one rounding', { timeout: 300_000 }, () => {
    const halves = cases.map(inHalf);
    const answers = runDeno(
      program!,
      halves.map((one) => execution(narrow(kernelOf(one.launch)), one)),
    );
    const errors = answers.map(({ messages, out }, index) => {
      const { name, expected } = halves[index]!;
      const error = out === null ? null : worstError(fromHalves(out, expected.length), expected);
      // half a unit in the last place of the largest number
      return { name, messages, close: error !== null && error <= 2 ** -11 * 1.01 };
    });
    expect(errors).toEqual(cases.map(({ name }) => ({ name, messages: [], close: true })));
  });
});
