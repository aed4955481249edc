import type { Value } from '../model.js';
import { type GradBuilder, op } from './core/define.js';
import { unary } from './core/elementwise.js';
import { unaryVjp } from './core/gradient.js';
import { erf as erfOf } from './core/nd.js';

/** Exponential, logarithm, error function, trigonometric and hyperbolic functions. */

/** Exp: e to the x. */
export const Exp = op(unary('Exp', Math.exp), {
  vjp: unaryVjp((b, dy, _x, y) => b.mul(dy, y)),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Log: the natural logarithm. */
export const Log = op(unary('Log', Math.log), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, x)),
  cases: [{ inputs: ['float[3] {1.5, 2.25, 7}'] }],
});

/** Erf: 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const Erf = op(unary('Erf', erfOf, { since: 9 }), {
  /** y = erf x: dx = dy 2/sqrt(pi) exp(-x^2) */
  vjp: unaryVjp((b, dy, x) =>
    b.mul(dy, b.mul(b.scalar(2 / Math.sqrt(Math.PI), x), b.one('Exp', [b.neg(b.mul(x, x))]))),
  ),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Sin: sin x. */
export const Sin = op(unary('Sin', Math.sin, { since: 7 }), {
  vjp: unaryVjp((b, dy, x) => b.mul(dy, b.one('Cos', [x]))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Cos: cos x. */
export const Cos = op(unary('Cos', Math.cos, { since: 7 }), {
  vjp: unaryVjp((b, dy, x) => b.neg(b.mul(dy, b.one('Sin', [x])))),
  cases: [{ inputs: ['float[2,5]'] }],
});

const square = (b: GradBuilder, x: Value): Value => b.mul(x, x);

/** a + s x^2 */
const around = (b: GradBuilder, x: Value, a: number, sign: 1 | -1): Value =>
  sign > 0 ? b.add(square(b, x), b.scalar(a, x)) : b.sub(b.scalar(a, x), square(b, x));

/** Tan: tan x. */
export const Tan = op(unary('Tan', Math.tan, { since: 7 }), {
  /** y = tan x: dx = dy (1 + y^2) */
  vjp: unaryVjp((b, dy, _x, y) => b.mul(dy, around(b, y, 1, 1))),
  cases: [{ inputs: ['float[2,5]'] }],
});

const root = (b: GradBuilder, x: Value): Value => b.one('Sqrt', [x]);

/** Asin: arcsin x. */
export const Asin = op(unary('Asin', Math.asin, { since: 7 }), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, 1, -1)))),
  cases: [{ inputs: ['float[2,3]'] }],
});

/** Acos: arccos x. */
export const Acos = op(unary('Acos', Math.acos, { since: 7 }), {
  vjp: unaryVjp((b, dy, x) => b.neg(b.div(dy, root(b, around(b, x, 1, -1))))),
  cases: [{ inputs: ['float[2,3]'] }],
});

/** Atan: arctan x. */
export const Atan = op(unary('Atan', Math.atan, { since: 7 }), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, around(b, x, 1, 1))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Sinh: sinh x. */
export const Sinh = op(unary('Sinh', Math.sinh, { since: 9 }), {
  vjp: unaryVjp((b, dy, x) => b.mul(dy, b.one('Cosh', [x]))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Cosh: cosh x. */
export const Cosh = op(unary('Cosh', Math.cosh, { since: 9 }), {
  vjp: unaryVjp((b, dy, x) => b.mul(dy, b.one('Sinh', [x]))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Asinh: arsinh x. */
export const Asinh = op(unary('Asinh', Math.asinh, { since: 9 }), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, 1, 1)))),
  cases: [{ inputs: ['float[2,5]'] }],
});

/** Acosh: arcosh x. */
export const Acosh = op(unary('Acosh', Math.acosh, { since: 9 }), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, -1, 1)))),
  cases: [{ inputs: ['float[3] {1.5, 2.25, 7}'] }],
});

/** Atanh: artanh x. */
export const Atanh = op(unary('Atanh', Math.atanh, { since: 9 }), {
  vjp: unaryVjp((b, dy, x) => b.div(dy, around(b, x, 1, -1))),
  cases: [{ inputs: ['float[2,3]'] }],
});
