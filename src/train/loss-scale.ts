import type { Signature } from './signature.js';

/** The factor on the loss that keeps half-precision gradients from underflowing. Part of a run's state. */
export interface LossScale {
  readonly value: number;
  /** finite steps since it last changed */
  readonly steady: number;
  /** non-finite steps in a row */
  readonly skipped: number;
}

export const GROW_AFTER = 2000;
const LARGEST = 2 ** 24;
/** This many skipped steps in a row are not chance: from the largest scale halving leads below 2^-16 by then. */
export const MAX_SKIPPED = 40;

/**
 * The scale after a step. Halved when a gradient was not finite; doubled, up to 2^24 or where it started, after 2000
 * finite steps. Powers of two, so that in float32 scaling and unscaling change no bit.
 */
export function nextScale(scale: LossScale, finite: boolean, initial: number): LossScale {
  if (!finite) return { value: scale.value / 2, steady: 0, skipped: scale.skipped + 1 };
  const steady = scale.steady + 1;
  const limit = initial === 1 ? 1 : LARGEST;
  if (steady < GROW_AFTER || scale.value >= limit) return { value: scale.value, steady, skipped: 0 };
  return { value: scale.value * 2, steady: 0, skipped: 0 };
}

/** Half-precision models lose small gradients without it. Graphs that compute in 16 bits have the input. */
export function initialScale({ graphs }: Signature): number {
  return graphs.grad?.inputs.some(({ scalar }) => scalar === 'loss_scale') ? 65536 : 1;
}
