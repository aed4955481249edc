import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { elements } from './families/matrix.js';
import { matMulNBitsVjp } from './gradients/nbits.js';
import { fromIndex, matmul, zip } from './nd.js';
import { attrs, mustAgree, need, one, product, rule, shapeAt, sum, tensorAt } from './rules.js';

/**
 * com.microsoft MatMulNBits: x (..., K) times the transpose of a weight (N, K) whose rows are stored as blocks of
 * packed unsigned integers (N, blocks, bytes), least significant bits first: (q - zero point) * scale per block.
 */
export const MsMatMulNBits = op({
  name: 'com.microsoft::MatMulNBits',
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
    const { K, N, bits, block_size } = attrsOf(node);
    if (inputs[4]) throw new Error('MatMulNBits with g_idx has no reference');
    const [x, packed, scales, zeros, bias] = [
      need(inputs, 0),
      need(inputs, 1),
      need(inputs, 2),
      inputs[3],
      inputs[5],
    ];
    const blocks = Math.ceil(K / block_size);
    const blockBytes = Math.ceil((block_size * bits) / 8);
    const zeroBytes = Math.ceil((blocks * bits) / 8);
    const field = (data: Float64Array, byte: number, index: number): number =>
      (data[byte + Math.floor((index * bits) / 8)]! >> ((index * bits) % 8)) & (2 ** bits - 1);
    // zero points in the type of the scales are numbers, one per block; bytes are packed as the weight is
    const type = node.inputs[3]?.type;
    const plain = type?.kind === 'tensor' && type.dtype !== 'u8';
    const weight = fromIndex([K, N], ([k, n]) => {
      const block = Math.floor(k! / block_size);
      const q = field(packed.data, (n! * blocks + block) * blockBytes, k! % block_size);
      const zero = !zeros
        ? 2 ** (bits - 1)
        : plain
          ? zeros.data[n! * blocks + block]!
          : field(zeros.data, n! * zeroBytes, block);
      return (q - zero) * scales.data[n! * blocks + block]!;
    });
    const y = matmul(x, weight);
    return [bias ? zip([y, bias], (a, b) => a! + b!) : y];
  },
  vjp: matMulNBitsVjp,
});
