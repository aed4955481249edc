import { attrFloat, attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { attributes, input, type Vjp } from './vjp.js';

/**
 * y = a b (numpy.matmul). With a 2-D right operand dA = dY B^T is one Gemm(transB=1) on dY flattened to two axes:
 * `MatMul(dY, Transpose(B))` would make the runtime fold and keep a transposed copy of a frozen weight.
 * dB = A^T dY with both flattened. Otherwise batched products, summed over broadcast batch axes.
 */
export const matmulVjp: Vjp = (b, node, [dy]) => {
  const [a, w] = [input(node, 0), input(node, 1)];
  const [ra, rw] = [b.rank(a), b.rank(w)];
  if (ra === 1 || rw === 1) return vectorVjp(b, node, dy!, a, w, ra, rw);
  if (rw === 2) {
    const flat = ra === 2 ? dy! : flatten(b, dy!, w, 1);
    const da = b.wants(0) ? unflatten(b, gemm(b, flat, w, 0, 1), a, ra) : null;
    const dw = b.wants(1) ? gemm(b, ra === 2 ? a : flatten(b, a, w, 0), flat, 1, 0) : null;
    return [da, dw];
  }
  const y = node.outputs[0]!;
  const da = b.wants(0) ? b.one('MatMul', [dy!, b.transposeLast(w)]) : null;
  const dw = b.wants(1) ? b.one('MatMul', [b.transposeLast(a), dy!]) : null;
  return [da && sumBatch(b, da, y, a), dw && sumBatch(b, dw, y, w)];
};

/** Gemm with both operands of rank 2. */
export function gemm(b: GradBuilder, x: Value, w: Value, transA: 0 | 1, transB: 0 | 1, alpha = 1): Value {
  return b.one('Gemm', [x, w], {
    ...(alpha === 1 ? {} : { alpha: attrFloat(alpha) }),
    transA: attrInt(transA),
    transB: attrInt(transB),
  });
}

/** [..., n] to [rows, n]; n is extent `axis` of the 2-D `w`. */
function flatten(b: GradBuilder, x: Value, w: Value, axis: 0 | 1): Value {
  const extent = b.dims(w)[axis];
  if (typeof extent === 'number' && extent > 0) return b.reshape(x, b.ints([-1, extent]));
  return b.reshape(x, b.one('Concat', [b.ints([-1]), extentOf(b, w, axis)], { axis: attrInt(0) }));
}

/** [rows, n] to the shape of `a`. */
function unflatten(b: GradBuilder, flat: Value, a: Value, rank: number): Value {
  return rank === 2 ? flat : b.reshapeLike(flat, a);
}

function extentOf(b: GradBuilder, w: Value, axis: 0 | 1): Value {
  return b.one('Slice', [b.shapeOf(w), b.ints([axis]), b.ints([axis + 1])]);
}

/** Sums the batch axes of a product along which `to` was broadcast. Matrices keep their last two axes. */
function sumBatch(b: GradBuilder, product: Value, y: Value, to: Value): Value {
  const [wide, narrow] = [b.dims(y).slice(0, -2), b.dims(to).slice(0, -2)];
  const lead = wide.length - narrow.length;
  const axes: number[] = Array.from({ length: lead }, (_, i) => i);
  for (const [i, dim] of narrow.entries()) {
    const other = wide[i + lead];
    if (dim !== null && dim === other) continue;
    if (dim === 1) axes.push(i + lead);
    else if (typeof dim !== 'number') return sumBatchAtRunTime(b, product, to, lead);
  }
  if (axes.length === 0) return product;
  const sum = b.reduceSum(product, axes, lead === 0);
  return lead === 0 || axes.length === lead ? sum : b.reshapeLike(sum, to);
}

/** Batch extents known only at run time: the product's own shape against the operand's. */
function sumBatchAtRunTime(b: GradBuilder, product: Value, to: Value, lead: number): Value {
  if (b.opset < 13)
    b.refuse('which batch axes are broadcast is only known at run time, which needs opset 13');
  const shape = b.shapeOf(to);
  const ones = b.ints(Array<number>(lead).fill(1));
  const padded = lead === 0 ? shape : b.one('Concat', [ones, shape], { axis: attrInt(0) });
  const differ = b.one('Not', [b.one('Equal', [padded, b.one('Shape', [product])])]);
  const axes = b.reshape(b.one('NonZero', [differ]), b.ints([-1]));
  const sum = b.one('ReduceSum', [product, axes], {
    keepdims: attrInt(1),
    noop_with_empty_axes: attrInt(1),
  });
  return b.reshape(sum, shape);
}

/** One operand is a vector: lift it to a matrix, differentiate, and drop the axis again by Reshape. */
function vectorVjp(b: GradBuilder, node: Node, dy: Value, a: Value, w: Value, ra: number, rw: number) {
  if (ra > 2 || rw > 2) {
    return { because: 'a product of a vector and a stack of matrices is not supported', at: node };
  }
  const row = ra === 1 ? b.reshape(a, b.ints([1, -1])) : a;
  const column = rw === 1 ? b.reshape(w, b.ints([-1, 1])) : w;
  // dy as a matrix: [1, n] for a vector on the left, [m, 1] for one on the right
  const matrix = b.reshape(dy, ra === 1 ? b.ints([1, -1]) : b.ints([-1, 1]));
  const da = b.wants(0) ? b.one('MatMul', [matrix, b.transpose(column, [1, 0])]) : null;
  const dw = b.wants(1) ? b.one('MatMul', [b.transpose(row, [1, 0]), matrix]) : null;
  return [da && b.reshapeLike(da, a), dw && b.reshapeLike(dw, w)];
}

/** y = alpha op(A) op(B) + beta C */
export const gemmVjp: Vjp = (b, node, [dy]) => {
  const { alpha, beta, transA, transB } = attributes(node, 'Gemm');
  const [a, w] = [input(node, 0), input(node, 1)];
  const c = node.inputs[2] ?? null;
  const [ta, tb] = [transA ? 1 : 0, transB ? 1 : 0] as const;
  const flip = (t: 0 | 1): 0 | 1 => (t ? 0 : 1);
  const da = !b.wants(0) ? null : ta ? gemm(b, w, dy!, tb, 1, alpha) : gemm(b, dy!, w, 0, flip(tb), alpha);
  const dw = !b.wants(1) ? null : tb ? gemm(b, dy!, a, 1, ta, alpha) : gemm(b, a, dy!, flip(ta), 0, alpha);
  const scaled = c && b.wants(2) ? (beta === 1 ? dy! : b.mul(dy!, b.scalar(beta, c))) : null;
  return [da, dw, c && scaled ? b.sumTo(scaled, node.outputs[0]!, c) : null];
};
