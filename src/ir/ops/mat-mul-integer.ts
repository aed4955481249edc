import { type NdArray, op } from './define.js';
import { matmulShape, matrixCost } from './families/matrix.js';
import { matMulIntegerVjp } from './gradients/quantise.js';
import { matmul, reshape, zip } from './nd.js';
import { need, one, rule, shapeAt, tensorAt } from './rules.js';

/** MatMulInteger: (a - zero point of a)(b - zero point of b) in int32; zero points per row of a and per column of b. */
export const MatMulInteger = op({
  name: 'MatMulInteger',
  since: 10,
  traits: ['pure'],
  infer: rule((node, ctx) => one('i32', matmulShape(node, tensorAt(ctx, 0)?.shape, tensorAt(ctx, 1)?.shape))),
  cost: (node) => {
    const [a, b] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(a, [a, b], matmulShape(node, a, b), 1);
  },
  value: (_, inputs): NdArray[] => {
    const [a, b, za, zb] = [need(inputs, 0), need(inputs, 1), inputs[2], inputs[3]];
    const rows = za && za.shape.length === 1 && za.data.length > 1 ? reshape(za, [za.data.length, 1]) : za;
    const left = rows ? zip([a, rows], (x, z) => x! - z!) : a;
    return [matmul(left, zb ? zip([b, zb], (x, z) => x! - z!) : b)];
  },
  vjp: matMulIntegerVjp,
  throughIntegers: true,
});
