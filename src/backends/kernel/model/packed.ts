import { isFloat } from '../../../ir/dtype.js';
import type { Node, Value } from '../../../ir/model.js';
import { codeTable } from '../../../ir/ops/core/code-tables.js';
import { blockSizes } from '../../../ir/ops/core/number-blocks.js';
import { baseOf, factorCount } from '../../../passes/adapters/adapted-node.js';
import { type StoredWeight, storedWeight } from '../../../passes/adapters/stored-weight.js';
import type { WeightPacking } from './layers.js';

/** Whole numbers in blocks: (out, blocks, bytes of a block), scales, zero points, g_idx, bias. */
const BLOCKED = 'com.microsoft::MatMulNBits';
/** Codes of a table: bytes that run through the rows, scales. */
const CODED = 'com.microsoft::MatMulBnb4';
/** Place of the bias among the inputs of such operators after the weight. */
export const PACKED_BIAS = 3;

const UNPACKED =
  'kernels unpack those of MatMulNBits in 4 or 8 bits and of MatMulBnb4: quantise the model so, or train it with `lotrc emit onnx-train`';

/**
 * How the weight of an adapted layer is packed: null where its numbers are stored as they are; a text where no kernel reads
 * them.
 */
export function packedWeight(node: Node, weight: StoredWeight): WeightPacking | string | null {
  const { key } = baseOf(node);
  const { dtype } = weight.data;
  if (key === BLOCKED) return blockedWeight(node, weight);
  if (key === CODED) return codedWeight(node, weight);
  return isFloat(dtype) ? null : `its weight is quantised (${key}, ${dtype}); ${UNPACKED}`;
}

function numberOf(node: Node, name: string, usual = 0): number {
  const attr = node.attrs.get(name);
  return attr?.kind === 'int' ? Number(attr.value) : usual;
}

/** Whether a weight has this number of bytes, in blocks from which words can be loaded. */
const hasBytes = ({ data, via }: StoredWeight, bytes: number, block: number): boolean =>
  block >= 16 && block % 16 === 0 && data.dtype === 'u8' && via.length === 0 && sizeOf(data.shape) === bytes;

/** Where blocks end with rows, they lie as MatMulNBits has them. */
function codedWeight(node: Node, weight: StoredWeight): WeightPacking | string {
  const number = (name: string, usual?: number) => numberOf(node, name, usual);
  const [inn, out, block, type] = [number('K'), number('N'), number('block_size'), number('quant_type', -1)];
  const table = codeTable(type);
  if (!table) return `its weight has codes of an unknown table (quant_type ${type})`;
  if (number('transB', 1) !== 1) return 'its weight is stored untransposed (transB = 0)';
  if (inn % block !== 0)
    return `blocks of its weight (${block} codes) run over the ends of rows (${inn}): quantise it in blocks that divide the inputs`;
  const [scaleInput] = node.inputs.slice(2 + factorCount(node));
  const scales = scaleInput ? floatsOf(scaleInput, (out * inn) / block) : null;
  if (!hasBytes(weight, (out * inn) / 2, block) || !scales)
    return 'its packed weight or scales are not stored as MatMulBnb4 describes them';
  return { bits: 4, table, block, scales, zeros: null };
}

function blockedWeight(node: Node, weight: StoredWeight): WeightPacking | string {
  const number = (name: string, usual?: number) => numberOf(node, name, usual);
  const [inn, out, bits, block] = [number('K'), number('N'), number('bits', 4), number('block_size')];
  if (bits !== 4 && bits !== 8) return `its weight is quantised (${BLOCKED}, ${bits} bits); ${UNPACKED}`;
  const { blocks, blockBytes, zeroBytes } = blockSizes({ in: inn, bits, block });
  const [scaleInput, zeroInput, order] = node.inputs.slice(2 + factorCount(node));
  if (order) return 'its columns are reordered (g_idx of MatMulNBits)';
  const scales = scaleInput ? floatsOf(scaleInput, out * blocks) : null;
  const zeros = zeroInput ? (bytesOf(zeroInput, out * zeroBytes) ?? floatsOf(zeroInput, out * blocks)) : null;
  if (!hasBytes(weight, out * blocks * blockBytes, block) || !scales || (zeroInput && !zeros))
    return 'its packed weight, scales or zero points are not stored as MatMulNBits describes them';
  return { bits, table: null, block, scales, zeros };
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
