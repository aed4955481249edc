import { add, call, div, type F32, f32, fma, lt, max, min, mul, select, sub } from '../ir/kir.js';
import type { Activation } from '../model/types.js';

/** An activation function of a value in a variable (it is used more than once). */
export function activate(kind: Activation, x: F32): F32 {
  switch (kind) {
    case 'relu':
      return max(x, f32(0));
    case 'silu':
      return div(x, add(f32(1), call('exp', sub(f32(0), x))));
    case 'gelu-tanh': {
      const cubic = fma(mul(mul(x, x), x), f32(0.044715), x);
      return mul(mul(f32(0.5), x), add(f32(1), tanh(mul(f32(Math.sqrt(2 / Math.PI)), cubic))));
    }
    case 'gelu':
      return mul(mul(f32(0.5), x), add(f32(1), erf(mul(x, f32(Math.SQRT1_2)))));
  }
}

/** tanh by exp, with the argument clamped to where exp is finite: drivers' own tanh overflows for large arguments. */
function tanh(x: F32): F32 {
  const held = max(min(x, f32(15)), f32(-15));
  return sub(f32(1), div(f32(2), add(call('exp', mul(f32(2), held)), f32(1))));
}

/** The error function by formula 7.1.26 of Abramowitz and Stegun, absolute error below 2e-7; WGSL has none. */
function erf(x: F32): F32 {
  const a = call('abs', x);
  const t = div(f32(1), fma(f32(0.3275911), a, f32(1)));
  const polynomial = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]
    .map(f32)
    .reduce((sum, coefficient) => fma(sum, t, coefficient));
  const positive = sub(f32(1), mul(mul(polynomial, t), call('exp', sub(f32(0), mul(a, a)))));
  return select(lt(x, f32(0)), sub(f32(0), positive), positive);
}
