import { operandsOf } from '../../adapter/terms.js';
import { attrsOf } from './attrs.js';
import { type DimExpr, type NdArray, op } from './define.js';
import { elements } from './families/matrix.js';
import { map, matmul, reduce, reshape, swapLast, zip } from './nd.js';
import { attrs, need, product, rankIn, refuse, rule, shapeAt, sum, tensorAt, typeOf } from './rules.js';

/**
 * lotrc LoTRLinearGrad: the gradients of an adapted layer y = alpha x W' + scale x F1 F2 ... + beta b. Inputs: x, W,
 * the factors, dy. Outputs: dx, one per factor, db, each with the type of the value whose gradient it is; one that
 * nothing needs has no name. `delta` is a chain of matrices. `transB` is that of the product dy W which gives dx: 1
 * where W is (in, out). Axes of x before the last are tokens, which the gradients of the factors and db sum over.
 */
export const lotrLinearGrad = op({
  name: 'lotrc::LoTRLinearGrad',
  domain: 'lotrc',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const count = operandsOf(attrs(node, ctx)).length;
    if (node.inputs.length !== 3 + count || node.outputs.length !== 2 + count)
      refuse(node, `its delta makes it ${3 + count} inputs and ${2 + count} outputs`);
    const like = [0, ...Array.from({ length: count }, (_, f) => 2 + f)].map((index) => tensorAt(ctx, index));
    const dy = tensorAt(ctx, 2 + count);
    rankIn(node, tensorAt(ctx, 1)?.shape, 2, 2, 'W');
    const last = dy?.shape ? [dy.shape.at(-1) ?? null] : null;
    return {
      types: [...like.map((type) => typeOf(type?.dtype, type?.shape ?? null)), typeOf(dy?.dtype, last)],
    };
  }),
  cost: (node) => {
    const count = node.inputs.length - 3;
    const dy = shapeAt(node, 2 + count);
    const rows = elements(dy?.slice(0, -1) ?? null);
    // every matrix meets every token once for dx, and the first and the last factor once more for the gradients
    const matrices = [1, ...Array.from({ length: count }, (_, f) => 2 + f)].map((k) =>
      elements(shapeAt(node, k)),
    );
    const ends = [elements(shapeAt(node, 2)), elements(shapeAt(node, 1 + count))];
    const steps: DimExpr[] = [...matrices, ...ends].map((size) => product(2, rows, size));
    const moved = [0, 1, 2 + count, 0].map((k) => elements(shapeAt(node, k)));
    return { flops: sum(...steps), bytes: product(4, sum(...moved)) };
  },
  value: (node, inputs): NdArray[] => {
    const { alpha, beta, delta, scale, transB } = attrsOf(node);
    const count = operandsOf({ delta }).length;
    const [x, w] = [need(inputs, 0), need(inputs, 1)];
    const factors = inputs.slice(2, 2 + count).map((factor) => factor!);
    const rows = (a: NdArray): NdArray => reshape(a, [a.data.length / a.shape.at(-1)!, a.shape.at(-1)!]);
    const dy = rows(need(inputs, 2 + count));
    const chain = (parts: readonly NdArray[]): NdArray | null =>
      parts.reduce<NdArray | null>((a, b) => (a ? matmul(a, b) : b), null);
    const scaled = (a: NdArray, by: number): NdArray => map(a, (v) => by * v);
    // the gradient of D = F1 F2 ... is x^T dy, that of a factor is the transposed product of the factors before it,
    // times this, times the transposed product of those after
    const whole = scaled(matmul(swapLast(rows(x)), dy), scale);
    const gradients = factors.map((_, f) => {
      const [left, right] = [chain(factors.slice(0, f)), chain(factors.slice(f + 1))];
      const inner = left ? matmul(swapLast(left), whole) : whole;
      return right ? matmul(inner, swapLast(right)) : inner;
    });
    const base = scaled(matmul(dy, transB ? swapLast(w) : w), alpha);
    const adapter = scaled(matmul(dy, swapLast(chain(factors)!)), scale);
    const dx = reshape(
      zip([base, adapter], (a, b) => a! + b!),
      x.shape,
    );
    return [
      dx,
      ...gradients,
      scaled(
        reduce(dy, [0], false, (line) => line.reduce((a, b) => a + b, 0)),
        beta,
      ),
    ];
  },
});
