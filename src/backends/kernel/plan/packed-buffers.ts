import { blockSizes } from '../../../ir/ops/core/number-blocks.js';
import type { AdaptedLayer, WeightPacking } from '../model/layers.js';
import type { BufferPlan, KernelDtype, KernelPlan, MatrixRef } from '../model/types.js';
import { ELEMENT_BYTES } from './cost.js';
import { dense, type Target } from './launches.js';

/**
 * A packed weight (out, in), and the buffers of it, of its scales and of its zero points, each as the model stores it. For WebGPU scales
 * and plain zero points are float32: its module is given numbers in that type.
 */
export function packedMatrix(
  { in: inn, out, weight }: AdaptedLayer,
  { bits, table, block, scales, zeros }: WeightPacking,
  number: number,
  { dtype, device }: Pick<Target, 'dtype' | 'device'>,
): { readonly matrix: MatrixRef; readonly buffers: readonly BufferPlan[] } {
  const { blocks, blockBytes, zeroBytes } = blockSizes({ in: inn, bits, block });
  const floatsOf = (own: KernelDtype): KernelDtype => (device.api === 'webgpu' ? 'f32' : own);
  const buffers: BufferPlan[] = [];
  const of = <T extends BufferPlan['dtype']>(name: string, cols: number, tensor: string, type: T) => {
    buffers.push({ name, dtype: type, shape: [out, cols], life: 'weight', from: [tensor] });
    return { buffer: name, dtype: type, offset: 0 };
  };
  const { buffer } = of(`W_${number}`, blocks * blockBytes, weight, 'u8');
  const zeroCols = zeros?.dtype === 'u8' ? zeroBytes : blocks;
  const packed = {
    bits,
    table,
    block,
    scales: of(`Ws_${number}`, blocks, scales.name, floatsOf(scales.dtype)),
    zeros:
      zeros && of(`Wz_${number}`, zeroCols, zeros.name, zeros.dtype === 'u8' ? 'u8' : floatsOf(zeros.dtype)),
  };
  return { matrix: { ...dense(buffer, dtype, out, inn), packed }, buffers };
}

/** The tensors of a packed weight. */
export const packedParts = ({ weight, packed }: AdaptedLayer): readonly string[] =>
  packed ? [weight, packed.scales.name, ...(packed.zeros ? [packed.zeros.name] : [])] : [];

/** Bytes of the buffer that a tensor of a packed weight fills. */
export function packedBytes(buffers: KernelPlan['buffers'], tensor: string): number {
  const { shape, dtype } = buffers.find(({ from }) => from?.includes(tensor))!;
  const elements = shape.reduce<number>((all, extent) => all * Number(extent), 1);
  return elements * (dtype === 'u8' ? 1 : dtype === 'u32' ? 4 : ELEMENT_BYTES[dtype]);
}
