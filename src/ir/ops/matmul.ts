import { attrFloat, attrInt } from '../attr.js';
import { own } from '../keys.js';
import type { Node, Value } from '../model.js';
import { type Shape, shapeText, tensorType } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { broadcastShapes } from './core/dims.js';
import { attributes, input, keepWhere, type Vjp } from './core/gradient.js';
import { extentAt } from './core/gradient-shape.js';
import { matmulShape, matrixCost, transposedShape } from './core/matrix.js';
import { map, matmul, swapLast, zip } from './core/nd.js';
import { attrs, mustAgree, need, one, rankIn, refuse, rule, shapeAt, tensorAt } from './core/rules.js';
import { gemmSlices, matmulSlices } from './core/slices.js';

/** Matrix products in floating point. */

interface Product {
  readonly alpha: number;
  readonly transA: 0 | 1;
  readonly transB: 0 | 1;
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

/** [..., n] to [rows, n]; n is extent `axis` of the 2-D `w`. */
export function flatten(b: GradBuilder, x: Value, w: Value, axis: 0 | 1): Value {
  const extent = b.dims(w)[axis];
  if (typeof extent === 'number' && extent > 0) return b.reshape(x, b.ints([-1, extent]));
  return b.reshape(x, b.one('Concat', [b.ints([-1]), extentAt(b, w, axis)], { axis: attrInt(0) }));
}

const flip = (t: 0 | 1): 0 | 1 => (t ? 0 : 1);

/** [rows, n] to the shape of `a`. */
function unflatten(b: GradBuilder, flat: Value, a: Value, rank: number): Value {
  return rank === 2 ? flat : b.reshapeLike(flat, a);
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

/** MatMul: the matrix product as numpy.matmul, leading dimensions broadcast. */
export const MatMul = op({
  name: 'MatMul',
  since: 1,
  traits: ['pure', 'linear'],
  linear: { weight: 1, form: 'product' },
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

  /**
   * y = a b (numpy.matmul). With a 2-D right operand dA = dY B^T is one Gemm(transB=1) on dY flattened to two axes:
   * `MatMul(dY, Transpose(B))` would make the runtime fold and keep a transposed copy of a frozen weight.
   * dB = A^T dY with both flattened. Otherwise batched products, summed over broadcast batch axes.
   */
  vjp: (b, node, [dy]) => productVjp(b, node, dy!, { alpha: 1, transA: 0, transB: 0 }),
  cases: [
    { inputs: ['float[2,1,3,4]', 'float[5,4,2]'] },
    { inputs: ['float[4]', 'float[4,3]'] },
    { inputs: ['float[3,4]', 'float[4]'] },
  ],
});

/** Shape of the product, unknown extents as null; refuses inputs that are not matrices or do not fit. */
function gemmShape(
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

/** y = alpha op(A) op(B) + beta C */
const gemmVjp: Vjp = (b, node, [dy]) => {
  const { alpha, beta, transA, transB } = attributes(node, 'Gemm');
  const [a, w] = [input(node, 0), input(node, 1)];
  const c = node.inputs[2] ?? null;
  const [ta, tb] = [transA ? 1 : 0, transB ? 1 : 0] as const;
  const da = !b.wants(0) ? null : ta ? gemm(b, w, dy!, tb, 1, alpha) : gemm(b, dy!, w, 0, flip(tb), alpha);
  const dw = !b.wants(1) ? null : tb ? gemm(b, dy!, a, 1, ta, alpha) : gemm(b, a, dy!, flip(ta), 0, alpha);
  const scaled = c && b.wants(2) ? (beta === 1 ? dy! : b.mul(dy!, b.scalar(beta, c))) : null;
  return [da, dw, c && scaled ? b.sumTo(scaled, node.outputs[0]!, c) : null];
};

/** Gemm: alpha A' B' + beta C, A' and B' transposed where transA, transB say so; C broadcasts to the result. */
export const Gemm = op({
  name: 'Gemm',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, bias: 2, form: 'product' },
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
  cases: [
    { inputs: ['float[3,4]', 'float[5,4]', 'float[5]'], attrs: { alpha: 0.5, beta: 1.5, transB: 1 } },
    { inputs: ['float[4,3]', 'float[4,5]'], attrs: { transA: 1 } },
  ],
});

/** com.microsoft FusedMatMul: alpha times MatMul, the last two dimensions of either input swapped first. */
export const MsFusedMatMul = op({
  name: 'com.microsoft::FusedMatMul',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'linear'],
  linear: { weight: 1, form: 'product' },
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

  /** com.microsoft FusedMatMul: y = alpha op(a) op(b), where op may swap the last two axes of an operand that has two. */
  vjp: (b, node, [dy]) => {
    const { alpha, transA, transB, transBatchA, transBatchB } = attributes(
      node,
      'com.microsoft::FusedMatMul',
    );
    if (transBatchA || transBatchB) return { because: 'batches of its operands are transposed', at: node };
    return productVjp(b, node, dy!, { alpha, transA: transA ? 1 : 0, transB: transB ? 1 : 0 });
  },
  cases: [
    { inputs: ['float[2,4,3]', 'float[2,5,4]'], attrs: { alpha: 0.5, transA: 1, transB: 1 } },
    { inputs: ['float[4]', 'float[5,4]'], attrs: { transB: 1 } },
    { inputs: ['float[2,1,4,3]', 'float[1,3,4,2]'], attrs: { transA: 1 } },
  ],
});

type Activation = (x: number, alpha: number, beta: number) => number;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  '': (x) => x,
  Elu: (x, alpha) => (x < 0 ? alpha * Math.expm1(x) : x),
  HardSigmoid: (x, alpha, beta) => Math.max(0, Math.min(1, alpha * x + beta)),
  LeakyRelu: (x, alpha) => (x < 0 ? alpha * x : x),
  Relu: (x) => Math.max(0, x),
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Softplus: (x) => Math.log1p(Math.exp(x)),
  Softsign: (x) => x / (1 + Math.abs(x)),
  Tanh: Math.tanh,
};

type Slope = (b: GradBuilder, dy: Value, y: Value, alpha: number) => Value;

/** dy where y > 0, elsewhere dy times `slope`. */
function below(b: GradBuilder, dy: Value, y: Value, slope: Value): Value {
  return b.one('Where', [b.one('Greater', [y, b.scalar(0, y)]), dy, b.mul(dy, slope)]);
}

/** Gradients of activations f by y = f(z) alone, since z is never delivered. */
const SLOPES: Readonly<Record<string, Slope>> = {
  '': (_b, dy) => dy,
  Elu: (b, dy, y, alpha) => below(b, dy, y, b.add(y, b.scalar(alpha, y))),
  // 0 < y < 1 is where neither bound holds
  HardSigmoid: (b, dy, y, alpha) => {
    const inside = b.one('And', [b.one('Greater', [y, b.scalar(0, y)]), b.one('Less', [y, b.scalar(1, y)])]);
    return keepWhere(b, inside, b.mul(dy, b.scalar(alpha, y)), y);
  },
  LeakyRelu: (b, dy, y, alpha) => below(b, dy, y, b.scalar(alpha, y)),
  Relu: (b, dy, y) => keepWhere(b, b.one('Greater', [y, b.scalar(0, y)]), dy, y),
  Sigmoid: (b, dy, y) => b.mul(dy, b.mul(y, b.sub(b.scalar(1, y), y))),
  // y = log(1 + e^z): the slope is 1 - e^-y
  Softplus: (b, dy, y) => b.mul(dy, b.sub(b.scalar(1, y), b.one('Exp', [b.neg(y)]))),
  // |y| = |z| / (1 + |z|): the slope is (1 - |y|)^2
  Softsign: (b, dy, y) => {
    const rest = b.sub(b.scalar(1, y), b.one('Abs', [y]));
    return b.mul(dy, b.mul(rest, rest));
  },
  Tanh: (b, dy, y) => b.mul(dy, b.sub(b.scalar(1, y), b.mul(y, y))),
};

/** com.microsoft FusedGemm: Gemm followed by the named activation. */
export const MsFusedGemm = op({
  name: 'com.microsoft::FusedGemm',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, bias: 2, form: 'product', keeps: 'does more than the product in one step' },
  infer: rule((node, ctx) => {
    const [a, b] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const { transA, transB } = attrs(node, ctx);
    return one(a?.dtype ?? b?.dtype, gemmShape(node, a?.shape, b?.shape, transA, transB));
  }),
  cost: (node) => {
    const { transA, transB } = attrsOf(node);
    const [a, b] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(transposedShape(a, transA), [a, b], gemmShape(node, a, b, transA, transB));
  },
  value: (node, inputs): NdArray[] => {
    const { alpha, beta, transA, transB, activation = '', ...rest } = attrsOf(node);
    const { activation_alpha = 0.01, activation_beta = 0 } = rest;
    const act = own(ACTIVATIONS, activation);
    if (!act) throw new Error(`FusedGemm with activation ${activation} has no reference`);
    const [a, b] = [need(inputs, 0), need(inputs, 1)];
    const product = matmul(transA ? swapLast(a) : a, transB ? swapLast(b) : b);
    const c = inputs[2];
    const sum = zip(c ? [product, c] : [product], (x, y = 0) => alpha * x! + beta * y);
    return [map(sum, (x) => act(x, activation_alpha, activation_beta))];
  },

  /** com.microsoft FusedGemm: y = f(alpha op(A) op(B) + beta C), with f and its parameters by name. */
  vjp: (b, node, [dy]) => {
    const { activation = '', activation_alpha = 0.01 } = attributes(node, 'com.microsoft::FusedGemm');
    const slope = Object.hasOwn(SLOPES, activation) ? SLOPES[activation] : undefined;
    if (!slope) return { because: `its activation ${activation} has no gradient rule`, at: node };
    if (activation_alpha < 0 && (activation === 'LeakyRelu' || activation === 'Elu'))
      return { because: `its activation ${activation} with a negative alpha is not monotone`, at: node };
    return gemmVjp(b, node, [slope(b, dy!, node.outputs[0]!, activation_alpha)]);
  },
  cases: [
    { inputs: ['float[3,4]', 'float[4,2]', 'float[2]'], attrs: { activation: 'Relu', beta: 0.5 } },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'Elu', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: {
        activation: 'HardSigmoid',
        activation_alpha: 0.3,
        activation_beta: 0.45,
        transB: 1,
        alpha: 1.5,
      },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'LeakyRelu', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'Sigmoid', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'Softplus', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'Softsign', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
    {
      inputs: ['float[3,4]', 'float[2,4]', 'float[2]'],
      attrs: { activation: 'Tanh', activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 },
    },
  ],
});
