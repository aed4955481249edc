import { isFloat } from '../../../ir/dtype.js';
import type { Node, Value } from '../../../ir/model.js';
import { blockSizes } from '../../../ir/ops/core/number-blocks.js';
import { baseOf, factorCount } from '../../../passes/adapters/adapted-node.js';
import { type StoredWeight, storedWeight } from '../../../passes/adapters/stored-weight.js';
import type { WeightPacking } from './layers.js';

/** The operator whose weights kernels unpack: (out, blocks, bytes of a block), scales, zero points, g_idx, bias. */
const BLOCKED = 'com.microsoft::MatMulNBits';
/** Place of the bias among its inputs after the weight. */
export const BLOCKED_BIAS = 3;

const UNPACKED =
  'kernels unpack those of MatMulNBits in 4 or 8 bits: quantise the model so, or train it with `lotrc emit onnx-train`';

/**
 * How the weight of an adapted layer is packed: null where its numbers are stored as they are; a text where no kernel reads
 * them.
 */
export function packedWeight(node: Node, weight: StoredWeight): WeightPacking | string | null {
  const { key } = baseOf(node);
  const { dtype, shape } = weight.data;
  if (key !== BLOCKED)
    return isFloat(dtype) ? null : `its weight is quantised (${key}, ${dtype}); ${UNPACKED}`;
  const number = (name: string, usual = 0): number => {
    const attr = node.attrs.get(name);
    return attr?.kind === 'int' ? Number(attr.value) : usual;
  };
  const [inn, out, bits, block] = [number('K'), number('N'), number('bits', 4), number('block_size')];
  if (bits !== 4 && bits !== 8) return `its weight is quantised (${key}, ${bits} bits); ${UNPACKED}`;
  const { blocks, blockBytes, zeroBytes } = blockSizes({ in: inn, bits, block });
  const [scaleInput, zeroInput, order] = node.inputs.slice(2 + factorCount(node));
  if (order) return 'its columns are reordered (g_idx of MatMulNBits)';
  const scales = scaleInput ? floatsOf(scaleInput, out * blocks) : null;
  const zeros = zeroInput ? (bytesOf(zeroInput, out * zeroBytes) ?? floatsOf(zeroInput, out * blocks)) : null;
  const asDescribed =
    block >= 16 &&
    block % 16 === 0 &&
    dtype === 'u8' &&
    weight.via.length === 0 &&
    sizeOf(shape) === out * blocks * blockBytes;
  if (!asDescribed || !scales || (zeroInput && !zeros))
    return 'its packed weight, scales or zero points are not stored as MatMulNBits describes them';
  return { bits, block, scales, zeros };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((all, extent) => all * extent, 1);

/** A tensor that is stored as it is read, of this number of elements; null for any other value. */
function storedAs(value: Value, count: number) {
  const stored = storedWeight(value);
  return stored && stored.via.length === 0 && sizeOf(stored.data.shape) === count ? stored : null;
}

function floatsOf(value: Value, count: number): WeightPacking['scales'] | null {
  const stored = storedAs(value, count);
  const dtype = stored?.data.dtype;
  return stored && (dtype === 'f32' || dtype === 'f16' || dtype === 'bf16')
    ? { name: stored.holder.name, dtype }
    : null;
}

function bytesOf(value: Value, count: number): { readonly name: string; readonly dtype: 'u8' } | null {
  const stored = storedAs(value, count);
  return stored?.data.dtype === 'u8' ? { name: stored.holder.name, dtype: 'u8' } : null;
}
