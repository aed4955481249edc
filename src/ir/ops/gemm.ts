import type { Node } from '../model.js';
import { type Shape, shapeText } from '../shape.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { broadcastShapes } from './dims.js';
import { matrixCost, transposedShape } from './families/matrix.js';
import { gemmVjp } from './gradients/matmul.js';
import { matmul, swapLast, zip } from './nd.js';
import { attrs, mustAgree, need, one, rankIn, refuse, rule, shapeAt, tensorAt } from './rules.js';
import { gemmSlices } from './slices/rules.js';

/** Gemm: alpha A' B' + beta C, A' and B' transposed where transA, transB say so; C broadcasts to the result. */
export const Gemm = op({
  name: 'Gemm',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const [a, b, c] = [0, 1, 2].map((index) => tensorAt(ctx, index));
    const { transA, transB } = attrs(node, ctx);
    const shape = gemmShape(node, a?.shape, b?.shape, transA, transB);
    if (c?.shape && !broadcastShapes([shape, c.shape])) {
      refuse(node, `C of shape ${shapeText(c.shape)} does not broadcast to ${shapeText(shape)}`, 2);
    }
    return one(a?.dtype ?? b?.dtype, shape);
  }),
  cost: (node) => {
    const { transA, transB } = attrsOf(node);
    const [a, b, c] = [shapeAt(node, 0), shapeAt(node, 1), shapeAt(node, 2)];
    return matrixCost(
      transposedShape(a, transA),
      c ? [a, b, c] : [a, b],
      gemmShape(node, a, b, transA, transB),
    );
  },
  slices: (node, axis) => gemmSlices(node, axis),
  value: (node, inputs) => {
    const { alpha, beta, transA, transB } = attrsOf(node);
    const [a, b] = [need(inputs, 0), need(inputs, 1)];
    const product = matmul(transA ? swapLast(a) : a, transB ? swapLast(b) : b);
    const c = inputs[2];
    return [c ? zip([product, c], (x, y) => alpha * x + beta * y) : zip([product], (x) => alpha * x)];
  },
  vjp: gemmVjp,
});

/** Shape of the product, unknown extents as null; refuses inputs that are not matrices or do not fit. */
export function gemmShape(
  node: Node,
  a: Shape | null | undefined,
  b: Shape | null | undefined,
  transA: number,
  transB: number,
): Shape {
  rankIn(node, a, 2, 2, 'A');
  rankIn(node, b, 2, 2, 'B');
  const [rows, inner] = transposedShape(a, transA) ?? [null, null];
  const [depth, columns] = transposedShape(b, transB) ?? [null, null];
  mustAgree(node, inner, depth, 'inner extents');
  return [rows ?? null, columns ?? null];
}
