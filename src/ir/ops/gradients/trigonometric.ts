import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { unaryVjp } from './vjp.js';

const square = (b: GradBuilder, x: Value): Value => b.mul(x, x);
/** a + s x^2 */
const around = (b: GradBuilder, x: Value, a: number, sign: 1 | -1): Value =>
  sign > 0 ? b.add(square(b, x), b.scalar(a, x)) : b.sub(b.scalar(a, x), square(b, x));
const root = (b: GradBuilder, x: Value): Value => b.one('Sqrt', [x]);

export const asinVjp = unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, 1, -1))));
export const acosVjp = unaryVjp((b, dy, x) => b.neg(b.div(dy, root(b, around(b, x, 1, -1)))));
export const atanVjp = unaryVjp((b, dy, x) => b.div(dy, around(b, x, 1, 1)));
export const asinhVjp = unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, 1, 1))));
export const acoshVjp = unaryVjp((b, dy, x) => b.div(dy, root(b, around(b, x, -1, 1))));
export const atanhVjp = unaryVjp((b, dy, x) => b.div(dy, around(b, x, 1, -1)));
export const sinhVjp = unaryVjp((b, dy, x) => b.mul(dy, b.one('Cosh', [x])));
export const coshVjp = unaryVjp((b, dy, x) => b.mul(dy, b.one('Sinh', [x])));
/** y = tan x: dx = dy (1 + y^2) */
export const tanVjp = unaryVjp((b, dy, _x, y) => b.mul(dy, around(b, y, 1, 1)));
