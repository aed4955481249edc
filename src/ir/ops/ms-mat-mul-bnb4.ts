import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { BNB4_TABLES } from './families/bnb4.js';
import { elements } from './families/matrix.js';
import { matMulBnb4Vjp } from './gradients/bnb4.js';
import { fromIndex, matmul } from './nd.js';
import { attrs, mustAgree, need, one, product, rule, shapeAt, sum, tensorAt } from './rules.js';

/**
 * com.microsoft MatMulBnb4: x (..., K) times the transpose of a weight (N, K) held as 4-bit codes of a table, two in a byte,
 * the first in its high half, and one scale for every `block_size` codes.
 */
export const MsMatMulBnb4 = op({
  name: 'com.microsoft::MatMulBnb4',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const { K, N } = attrs(node, ctx);
    mustAgree(node, x?.shape?.at(-1), K, 'inner extents');
    return one(x?.dtype, x?.shape ? [...x.shape.slice(0, -1), N] : null);
  }),
  cost: (node) => {
    const { K, N } = attrsOf(node);
    const x = shapeAt(node, 0);
    const rows = elements(x ? x.slice(0, -1) : null);
    const stored = sum(elements(shapeAt(node, 1)), product(4, elements(shapeAt(node, 2))));
    return { flops: product(2, rows, K, N), bytes: sum(stored, product(4, rows, K), product(4, rows, N)) };
  },
  value: (node, inputs): NdArray[] => {
    const { K, N, block_size, quant_type, transB } = attrsOf(node);
    const table = BNB4_TABLES[quant_type];
    if (!table || !transB) throw new Error('this form of MatMulBnb4 has no reference');
    const [x, packed, scales] = [need(inputs, 0), need(inputs, 1), need(inputs, 2)];
    const weight = fromIndex([K, N], ([k, n]) => {
      const at = n! * K + k!;
      const byte = packed.data[at >> 1]!;
      return table[at % 2 === 0 ? byte >> 4 : byte & 15]! * scales.data[Math.floor(at / block_size)]!;
    });
    return [matmul(x, weight)];
  },
  vjp: matMulBnb4Vjp,
});
