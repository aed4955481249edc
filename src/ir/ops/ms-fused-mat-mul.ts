import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { matmulShape, matrixCost, transposedShape } from './families/matrix.js';
import { fusedMatMulVjp } from './gradients/matmul.js';
import { map, matmul, swapLast } from './nd.js';
import { attrs, need, one, rule, shapeAt, tensorAt } from './rules.js';

/** com.microsoft FusedMatMul: alpha times MatMul, the last two dimensions of either input swapped first. */
export const MsFusedMatMul = op({
  name: 'com.microsoft::FusedMatMul',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const [a, b] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const { transA, transB, transBatchA, transBatchB } = attrs(node, ctx);
    if (transBatchA || transBatchB) return one(a?.dtype ?? b?.dtype, null);
    return one(
      a?.dtype ?? b?.dtype,
      matmulShape(node, transposedShape(a?.shape, transA), transposedShape(b?.shape, transB)),
    );
  }),
  cost: (node) => {
    const { transA, transB } = attrsOf(node);
    const [a, b] = [transposedShape(shapeAt(node, 0), transA), transposedShape(shapeAt(node, 1), transB)];
    return matrixCost(a, [a, b], matmulShape(node, a, b));
  },
  value: (node, inputs): NdArray[] => {
    const { alpha, transA, transB, transBatchA, transBatchB } = attrsOf(node);
    if (transBatchA || transBatchB) throw new Error('FusedMatMul with transposed batches has no reference');
    const turn = (a: NdArray, by: number): NdArray => (by && a.shape.length > 1 ? swapLast(a) : a);
    return [map(matmul(turn(need(inputs, 0), transA), turn(need(inputs, 1), transB)), (x) => alpha * x)];
  },
  vjp: fusedMatMulVjp,
});
