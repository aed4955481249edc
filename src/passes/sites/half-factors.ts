import type { Carry, FactorDType } from '../../adapter/saved-plan.js';
import { conflict } from '../../ir/codes/sites.js';
import { fail } from '../../ir/diagnostics.js';

/**
 * The half-precision type that all layers of a plan compute in; null when it is float32 or float64. `dtypes`: types of the
 * weights, integers for quantised ones. Throws LOTR3007 when the layers differ.
 */
export function halfOf(dtypes: readonly string[]): FactorDType | null {
  const found = [...new Set(dtypes)];
  const half = found.find((dtype): dtype is FactorDType => dtype === 'f16' || dtype === 'bf16');
  if (half && found.length > 1) {
    fail(
      conflict({
        options: '--factor-dtype model',
        why: `the chosen layers are of several types: ${found.join(', ')}`,
        hint: 'choose layers of one type with --target, or leave the factors in float32',
      }),
    );
  }
  return half ?? null;
}

/** Factors that the caller feeds are float32. Throws LOTR3007 when they are to be stored in half precision. */
export function refuseFedHalf(half: FactorDType | null, carry: Carry): void {
  if (!half || carry === 'embedded') return;
  fail(
    conflict({
      options: '--factor-dtype model with --factors',
      why: 'factors that the caller feeds are float32',
      hint: 'leave one of the two options out',
    }),
  );
}
