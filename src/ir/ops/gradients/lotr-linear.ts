import { operandsOf } from '../../../adapter/terms.js';
import { attrFloat, attrInt, attrString } from '../../attr.js';
import type { Node } from '../../model.js';
import { flatten, gemm } from './matmul.js';
import { attributes, input, type Vjp } from './vjp.js';

/** base ops with a W of two axes and nothing but a bias after it */
const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);

/** Why an adapted layer has no gradient of its own, and has to be written in plain ONNX first; null when it has one. */
export function adaptedGradientProblem(node: Node): string | null {
  const { base, delta } = attributes(node, 'lotrc::LoTRLinear');
  if (!PRODUCTS.has(base)) return `its base operator is ${base}`;
  const operands = operandsOf({ delta });
  const chained = operands.every(
    ([first, second, ...more], k) =>
      second && more.length === 0 && first === (k === 0 ? 'i' : operands[k - 1]![1]),
  );
  return chained && operands.length > 1 ? null : `${delta} is not a chain of matrices`;
}

/**
 * y = alpha x W' + scale x F1 F2 ... + beta b. One lotrc::LoTRLinearGrad gives dx, the gradients of the factors and that of a
 * bias of one row; a trained weight and a bias of another shape get theirs in separate nodes.
 */
export const lotrLinearVjp: Vjp = (b, node, [dy]) => {
  const because = adaptedGradientProblem(node);
  if (because !== null) return { because, at: node };
  const { alpha, beta, delta, scale, transB } = attributes(node, 'lotrc::LoTRLinear');
  const count = operandsOf({ delta }).length;
  const [x, w] = [input(node, 0), input(node, 1)];
  const factors = Array.from({ length: count }, (_, f) => input(node, 2 + f));
  const at = 2 + count;
  const bias = node.inputs[at] ?? null;
  const row = bias !== null && b.rank(bias) === 1 && b.dims(bias)[0] === b.dims(w)[transB ? 0 : 1];
  const wanted = [b.wants(0), ...factors.map((_, f) => b.wants(2 + f)), row && b.wants(at)];
  const names = ['dx', ...factors.map((_, f) => `dF${f + 1}`), 'db'];
  const attrs = {
    delta: attrString(delta),
    scale: attrFloat(scale),
    alpha: attrFloat(alpha),
    beta: attrFloat(beta),
    transB: attrInt(transB ? 0 : 1),
  };
  const made = wanted.includes(true)
    ? b.node('LoTRLinearGrad', [x, w, ...factors, dy!], attrs, {
        domain: 'lotrc',
        outputs: names.map((name, k) => (wanted[k] ? `grad/${name}` : '')),
      })
    : [];
  const given = (k: number) => (wanted[k] ? made[k]! : null);
  const weight = () => {
    const [flat, rows] = [flatten(b, dy!, w, transB ? 0 : 1), flatten(b, x, w, transB ? 1 : 0)];
    return transB ? gemm(b, flat, rows, 1, 0, alpha, x) : gemm(b, rows, flat, 1, 0, alpha, x);
  };
  const spread = () => {
    const scaled = beta === 1 ? dy! : b.mul(dy!, b.scalar(beta, bias!));
    return b.sumTo(scaled, node.outputs[0]!, bias!);
  };
  return [
    given(0),
    b.wants(1) ? weight() : null,
    ...factors.map((_, f) => given(1 + f)),
    ...(bias ? [row ? given(1 + count) : b.wants(at) ? spread() : null] : []),
  ];
};
