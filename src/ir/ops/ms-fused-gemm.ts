import { own } from '../keys.js';
import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { matrixCost, transposedShape } from './families/matrix.js';
import { gemmShape } from './gemm.js';
import { fusedGemmVjp } from './gradients/fused-gemm.js';
import { map, matmul, swapLast, zip } from './nd.js';
import { attrs, need, one, rule, shapeAt, tensorAt } from './rules.js';

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

/** com.microsoft FusedGemm: Gemm followed by the named activation. */
export const MsFusedGemm = op({
  name: 'com.microsoft::FusedGemm',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
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
  vjp: fusedGemmVjp,
});
