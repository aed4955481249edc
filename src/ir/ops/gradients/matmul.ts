import { attrFloat, attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { tensorType } from '../../shape.js';
import type { GradBuilder } from '../define.js';
import { extentAt } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/**
 * y = a b (numpy.matmul). With a 2-D right operand dA = dY B^T is one Gemm(transB=1) on dY flattened to two axes:
 * `MatMul(dY, Transpose(B))` would make the runtime fold and keep a transposed copy of a frozen weight.
 * dB = A^T dY with both flattened. Otherwise batched products, summed over broadcast batch axes.
 */
export const matmulVjp: Vjp = (b, node, [dy]) => productVjp(b, node, dy!, { alpha: 1, transA: 0, transB: 0 });

/** com.microsoft FusedMatMul: y = alpha op(a) op(b), where op may swap the last two axes of an operand that has two. */
export const fusedMatMulVjp: Vjp = (b, node, [dy]) => {
  const { alpha, transA, transB, transBatchA, transBatchB } = attributes(node, 'com.microsoft::FusedMatMul');
  if (transBatchA || transBatchB) return { because: 'batches of its operands are transposed', at: node };
  return productVjp(b, node, dy!, { alpha, transA: transA ? 1 : 0, transB: transB ? 1 : 0 });
};

interface Product {
  readonly alpha: number;
  readonly transA: 0 | 1;
  readonly transB: 0 | 1;
}

/** The last two axes of a value of that rank swapped, where it has two and `turn` says so. */
function swapped(b: GradBuilder, x: Value, rank: number, turn: 0 | 1): Value {
  if (!turn || rank < 2) return x;
  const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  const y = b.transpose(x, perm);
  const shape = x.type?.kind === 'tensor' ? x.type.shape : null;
  if (shape && x.type?.kind === 'tensor')
    y.setType(
      tensorType(
        x.type.dtype,
        perm.map((axis) => shape[axis]!),
      ),
      true,
    );
  return y;
}

const flip = (t: 0 | 1): 0 | 1 => (t ? 0 : 1);

function productVjp(b: GradBuilder, node: Node, dy: Value, product: Product): ReturnType<Vjp> {
  const [a, w] = [input(node, 0), input(node, 1)];
  const [ra, rw] = [b.rank(a), b.rank(w)];
  const { alpha, transA, transB } = product;
  const scaled = (): Value => (alpha === 1 ? dy : b.mul(dy, b.scalar(alpha, a)));
  // a vector has no two axes to swap, and neither do its products: the other operand is transposed first
  if (ra === 1 || rw === 1) {
    // a gradient would not be that of what runs: the kernel (1.30) reads such a matrix in the wrong order
    if (transA && ra > 1)
      return { because: 'ONNX Runtime multiplies a transposed matrix and a vector wrongly', at: node };
    const grads = vectorVjp(b, node, scaled(), a, swapped(b, w, rw, transB), ra, rw);
    if (!Array.isArray(grads)) return grads;
    const [da, dw] = grads as (Value | null)[];
    return [da ?? null, dw ? swapped(b, dw, rw, transB) : null];
  }
  if (rw === 2 && !transA) {
    const flat = ra === 2 ? dy : flatten(b, dy, w, flip(transB));
    const da = b.wants(0) ? unflatten(b, gemm(b, flat, w, 0, flip(transB), alpha), a, ra) : null;
    if (!b.wants(1)) return [da, null];
    const rows = ra === 2 ? a : flatten(b, a, w, transB);
    return [da, transB ? gemm(b, flat, rows, 1, 0, alpha, a) : gemm(b, rows, flat, 1, 0, alpha, a)];
  }
  const y = node.outputs[0]!;
  const g = scaled();
  const gT = (): Value => swapped(b, g, Math.max(ra, rw), 1);
  // an operand that is read transposed has the transpose of the product for its gradient
  const da = !b.wants(0)
    ? null
    : transA
      ? b.one('MatMul', [swapped(b, w, rw, transB), gT()])
      : b.one('MatMul', [g, swapped(b, w, rw, flip(transB))]);
  const dw = !b.wants(1)
    ? null
    : transB
      ? b.one('MatMul', [gT(), swapped(b, a, ra, transA)])
      : b.one('MatMul', [swapped(b, a, ra, flip(transA)), g]);
  return [da && sumBatch(b, da, y, a), dw && sumBatch(b, dw, y, w)];
}

/** Gemm with both operands of rank 2. Before operator set 11 it requires an addend: a zero of the element type of `like`, a forward value. */
export function gemm(
  b: GradBuilder,
  x: Value,
  w: Value,
  transA: 0 | 1,
  transB: 0 | 1,
  alpha = 1,
  like = x.type ? x : w,
): Value {
  const zero = b.opset < 11 ? [b.scalar(0, like)] : [];
  return b.one('Gemm', [x, w, ...zero], {
    ...(alpha === 1 ? {} : { alpha: attrFloat(alpha) }),
    transA: attrInt(transA),
    transB: attrInt(transB),
  });
}

/** [..., n] to [rows, n]; n is extent `axis` of the 2-D `w`. */
export function flatten(b: GradBuilder, x: Value, w: Value, axis: 0 | 1): Value {
  const extent = b.dims(w)[axis];
  if (typeof extent === 'number' && extent > 0) return b.reshape(x, b.ints([-1, extent]));
  return b.reshape(x, b.one('Concat', [b.ints([-1]), extentAt(b, w, axis)], { axis: attrInt(0) }));
}

/** [rows, n] to the shape of `a`. */
function unflatten(b: GradBuilder, flat: Value, a: Value, rank: number): Value {
  return rank === 2 ? flat : b.reshapeLike(flat, a);
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
  const da = !b.wants(0) ? null : ta ? gemm(b, w, dy!, tb, 1, alpha) : gemm(b, dy!, w, 0, flip(tb), alpha);
  const dw = !b.wants(1) ? null : tb ? gemm(b, dy!, a, 1, ta, alpha) : gemm(b, a, dy!, flip(ta), 0, alpha);
  const scaled = c && b.wants(2) ? (beta === 1 ? dy! : b.mul(dy!, b.scalar(beta, c))) : null;
  return [da, dw, c && scaled ? b.sumTo(scaled, node.outputs[0]!, c) : null];
};
