import { op } from './define.js';
import { matmulShape, matrixCost } from './families/matrix.js';
import { matmulVjp } from './gradients/matmul.js';
import { matmul } from './nd.js';
import { need, one, rule, shapeAt, tensorAt } from './rules.js';
import { matmulSlices } from './slices/rules.js';

/** MatMul: the matrix product as numpy.matmul, leading dimensions broadcast. */
export const MatMul = op({
  name: 'MatMul',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const [a, b] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    return one(a?.dtype ?? b?.dtype, matmulShape(node, a?.shape, b?.shape));
  }),
  cost: (node) => {
    const [a, b] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(a, [a, b], matmulShape(node, a, b));
  },
  slices: (node, axis) => matmulSlices(node, axis),
  value: (_, inputs) => [matmul(need(inputs, 0), need(inputs, 1))],
  vjp: matmulVjp,
});
