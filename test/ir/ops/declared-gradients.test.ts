import { describe, expect, test } from 'vitest';
import { DECLARED_CASES, DEFINITIONS, gradientCase } from '../../support/declared-cases.js';
import { gradcheck } from '../../support/gradcheck.js';

const DECOMPOSED = 'lowered before models are differentiated: test/passes/decompose/gradients.test.ts';
const ROUNDED = 'a difference of rounded numbers says nothing: test/ir/ops/straight-through.test.ts';

/** Ops whose gradient is not held against differences here, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  Attention: DECOMPOSED,
  GRU: DECOMPOSED,
  LSTM: DECOMPOSED,
  RNN: DECOMPOSED,
  'com.microsoft::Attention': DECOMPOSED,
  'com.microsoft::GroupQueryAttention': DECOMPOSED,
  'com.microsoft::MultiHeadAttention': DECOMPOSED,
  DequantizeLinear: ROUNDED,
  DynamicQuantizeLinear: ROUNDED,
  MatMulInteger: ROUNDED,
  QuantizeLinear: ROUNDED,
  'com.microsoft::DynamicQuantizeMatMul': ROUNDED,
  'com.microsoft::MatMulIntegerToFloat': ROUNDED,
  'lotrc::LoTRLinear': 'its factors are stated by attributes: test/ir/ops/gradients.test.ts',
};

const CHECKED = DECLARED_CASES.filter(
  ({ key, def, given }) => def.vjp && given.gradient?.length !== 0 && !(key in EXCEPTIONS),
).flatMap((declared) => {
  const built = gradientCase(declared);
  return built.inputs.some((input) => input && 'shape' in input && !('dtype' in input))
    ? [{ ...declared, built }]
    : [];
});

describe('the gradient of each operator against central differences in float64', () => {
  test.each(CHECKED)('$name', ({ built }) => expect(gradcheck(built)).toBeLessThan(2e-7));
});

test('every operator with a gradient has a case that shows it, or a reason why not', () => {
  const shown = new Set(CHECKED.map(({ key }) => key));
  const differentiable = [...DEFINITIONS]
    .filter(([, defs]) => defs.some(({ vjp }) => vjp))
    .map(([key]) => key);
  expect(differentiable.filter((key) => !shown.has(key) && !(key in EXCEPTIONS))).toEqual([]);
  expect(Object.keys(EXCEPTIONS).filter((key) => !differentiable.includes(key))).toEqual([]);
});
