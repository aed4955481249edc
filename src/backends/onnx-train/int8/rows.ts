import type { Value } from '../../../ir/model.js';
import { tensorType } from '../../../ir/shape.js';
import type { TrainBuilder } from '../../../train/losses/builder.js';

/** What products in 8 bits are written with, and the first operator set that has it all. */
export const ROUNDED_OPS = ['DynamicQuantizeLinear', 'com.microsoft::MatMulIntegerToFloat'] as const;
export const ROUNDED_OPSET = 11;

/** A matrix, or a stack of them, in 8 bits: x = (codes - zero) * step * size, `size` one number for each row. */
export interface RoundedRows {
  /** u8, the shape of x */
  readonly codes: Value;
  /** f32, rank 0 */
  readonly step: Value;
  /** u8, rank 0 */
  readonly zero: Value;
  /** f32 [..., 1] */
  readonly size: Value;
}

/** Rows of smaller numbers are not brought up to 1: no quotient overflows, and a row of zeros stays one. */
const LEAST = 1e-30;

/**
 * Rounds each row by its own largest magnitude: gradients of the tokens of a batch differ by orders of magnitude, and
 * one scale for all would round most of them to zero. A number that is not finite makes `size` of its row not finite,
 * although the codes cannot say it: so is every result of that row.
 */
export function roundRows(b: TrainBuilder, x: Value): RoundedRows {
  const high = b.reduce('ReduceMax', x, -1, true);
  const low = b.reduce('ReduceMin', x, -1, true);
  const most = b.one('Max', [high, b.one('Neg', [low]), b.f32(LEAST)]);
  const spoiled = b.one('Mul', [b.reduce('ReduceSum', x, -1, true), b.f32(0)]);
  const size = b.one('Add', [most, spoiled]);
  const even = b.one('Div', [x, size]);
  const [codes, step, zero] = b.node('DynamicQuantizeLinear', [even], {}, { outputs: 3 });
  const shape = x.type?.kind === 'tensor' ? x.type.shape : null;
  codes!.setType(tensorType('u8', shape));
  return { codes: codes!, step: step!, zero: zero!, size };
}
