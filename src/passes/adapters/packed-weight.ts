import { constantData } from '../../ir/constants.js';
import type { Node, Value } from '../../ir/model.js';
import { attributes } from '../../ir/ops/core/gradient.js';
import { blockSizes, packedNumber } from '../../ir/ops/core/number-blocks.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';

export const PACKED_PRODUCT = 'com.microsoft::MatMulNBits';

/**
 * The weight of a MatMulNBits node, (out, in) in blocks along `in`: (q - zero point) scale for each number q of a few bits. Several numbers
 * lie in one byte, the first in its low bits; zero points lie like the numbers, or are half of the range where there are none.
 */
export interface PackedWeight {
  readonly in: number;
  readonly out: number;
  readonly bits: number;
  readonly block: number;
  /** the three stored tensors; no zero points where blocks are symmetric */
  readonly codes: Value;
  readonly scales: Value;
  readonly zeros: Value | null;
}

/** The tensors of a weight in blocks. */
export interface PackedTensors {
  readonly codes: TensorData;
  readonly scales: TensorData;
  readonly zeros: TensorData | null;
}

/** The weight of a node, or why it cannot be read. */
export function packedWeightOf(node: Node): PackedWeight | string {
  const { K: inn, N: out, bits, block_size: block } = attributes(node, PACKED_PRODUCT);
  if (bits !== 4 && bits !== 8) return `its numbers have ${bits} bits`;
  if (node.inputs[4]) return 'its columns are reordered by g_idx';
  const [codes, scales, zeros] = [node.inputs[1], node.inputs[2], node.inputs[3] ?? null];
  const { blocks, blockBytes, zeroBytes } = blockSizes({ in: inn, bits, block });
  const known = codes && constantData(codes);
  const of = scales && constantData(scales);
  const points = zeros && constantData(zeros);
  if (!codes || !scales || !known || !of || (zeros && !points)) return 'its numbers or scales are computed';
  if (known.byteLength !== out * blocks * blockBytes || sizeOf(of) !== out * blocks)
    return 'its numbers or scales have another length';
  if (points && points.dtype !== 'u8') return `its zero points are ${points.dtype}`;
  if (points && points.byteLength !== out * zeroBytes) return 'its zero points have another length';
  return { in: inn, out, bits, block, codes, scales, zeros };
}

const sizeOf = ({ shape }: TensorData): number => shape.reduce((product, extent) => product * extent, 1);

/** The tensors that a model stores for a weight. */
export function blocksStored({ codes, scales, zeros }: PackedWeight): PackedTensors {
  return {
    codes: constantData(codes)!,
    scales: constantData(scales)!,
    zeros: zeros && constantData(zeros)!,
  };
}

/** The numbers that the layer multiplies by, (out, in) in float64. */
export function unpacked(weight: PackedWeight, { codes, scales, zeros }: PackedTensors): Float64Array {
  const { in: inn, out, bits, block } = weight;
  const { blocks, blockBytes, zeroBytes } = blockSizes(weight);
  const [bytes, scale] = [codes.bytes(), toF64(scales)];
  const points = zeros?.bytes();
  const values = new Float64Array(out * inn);
  for (let o = 0; o < out; o++) {
    for (let b = 0; b < blocks; b++) {
      const at = o * blocks + b;
      const zero = points ? packedNumber(points, o * zeroBytes, b, bits) : 2 ** (bits - 1);
      const end = Math.min(block, inn - b * block);
      for (let k = 0; k < end; k++)
        values[o * inn + b * block + k] = (packedNumber(bytes, at * blockBytes, k, bits) - zero) * scale[at]!;
    }
  }
  return values;
}

/**
 * Numbers (out, in) rounded to blocks of the form of a weight, as ONNX Runtime does it: without zero points the number of largest size
 * is the lowest code; with them the lowest number and zero, or zero and the highest, are the ends.
 */
export function roundedToBlocks(weight: PackedWeight, values: Float64Array): PackedTensors {
  const { in: inn, out, bits, block, zeros } = weight;
  const before = blocksStored(weight);
  const { blocks, blockBytes, zeroBytes } = blockSizes(weight);
  const top = 2 ** bits - 1;
  const half = 2 ** (bits - 1);
  const scales = new Float64Array(out * blocks);
  for (let o = 0; o < out; o++) {
    for (let b = 0; b < blocks; b++) {
      const from = o * inn + b * block;
      const own = values.subarray(from, from + Math.min(block, inn - b * block));
      const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
      const at = o * blocks + b;
      scales[at] = zeros ? (high - low) / top : (high > -low ? high : low) / -half;
    }
  }
  // what is stored counts: codes are made with scales that are rounded already
  const kept = new MemoryTensor(
    before.scales.dtype,
    before.scales.shape,
    encodeFloats(before.scales.dtype, scales),
  );
  const scale = toF64(kept);
  const codes = new Uint8Array(before.codes.byteLength);
  const points = zeros ? new Uint8Array(before.zeros!.byteLength) : null;
  for (let o = 0; o < out; o++) {
    for (let b = 0; b < blocks; b++) {
      const at = o * blocks + b;
      const from = o * inn + b * block;
      const end = Math.min(block, inn - b * block);
      const by = scale[at] === 0 ? 0 : 1 / scale[at]!;
      let zero = half;
      if (points) {
        let low = 0;
        for (let k = 0; k < end; k++) low = Math.min(low, values[from + k]!);
        zero = within(rounded(-low * by), top);
        setNumber(points, o * zeroBytes, b, bits, zero);
      }
      for (let k = 0; k < block; k++) {
        const code = k < end ? within(rounded(values[from + k]! * by + zero), top) : 0;
        setNumber(codes, at * blockBytes, k, bits, code);
      }
    }
  }
  return {
    codes: new MemoryTensor(before.codes.dtype, before.codes.shape, codes),
    scales: kept,
    zeros: points && new MemoryTensor('u8', before.zeros!.shape, points),
  };
}

const within = (value: number, top: number): number => Math.max(0, Math.min(top, value));

/** To the nearest whole number; halves away from zero. */
const rounded = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

/** Writes what `packedNumber` reads, where there is zero. */
function setNumber(bytes: Uint8Array, from: number, index: number, bits: number, code: number): void {
  if (bits === 8) bytes[from + index] = code;
  else bytes[from + (index >> 1)]! |= index % 2 === 0 ? code : code << 4;
}
