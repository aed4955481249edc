/**
 * A matrix (out, in) of whole numbers of a few bits in blocks along `in`, as com.microsoft::MatMulNBits stores its weight: several numbers lie
 * in a byte, the first in its low bits, and a block begins with a byte. Zero points that are packed lie like the numbers, one for each block,
 * and a row of them begins with a byte.
 */
export interface NumberBlocks {
  readonly in: number;
  readonly bits: number;
  /** numbers of a block; the last one of a row is filled up */
  readonly block: number;
}

/** Blocks of a row, bytes of a block, and bytes of the packed zero points of a row. */
export function blockSizes({ in: inn, bits, block }: NumberBlocks): {
  readonly blocks: number;
  readonly blockBytes: number;
  readonly zeroBytes: number;
} {
  const blocks = Math.ceil(inn / block);
  return { blocks, blockBytes: Math.ceil((block * bits) / 8), zeroBytes: Math.ceil((blocks * bits) / 8) };
}

/** Number `index` of those that begin at byte `from`. */
export const packedNumber = (bytes: ArrayLike<number>, from: number, index: number, bits: number): number =>
  (bytes[from + Math.floor((index * bits) / 8)]! >> ((index * bits) % 8)) & (2 ** bits - 1);
