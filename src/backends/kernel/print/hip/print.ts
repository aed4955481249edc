import type { Kernel } from '../../ir/kir.js';
import { EIGHT_NUMBERS_TEXT, PACKED_WEIGHTS_TEXT } from '../cuda/matrix-units.js';
import { printCuda } from '../cuda/print.js';
import { BFLOAT16_H, STAGED_TILES_H } from './generated/runtime.js';
import { inHip } from './names.js';

/** Kernels as one HIP source file: `printCuda` with HIP's names. */
export const printHip = (kernels: readonly Kernel[]): string =>
  `#include <hip/hip_runtime.h>\n${inHip(printCuda(kernels))}`;

/** The files that kernels include, by their names. */
export const HIP_HEADERS: Readonly<Record<string, string>> = {
  'bfloat16.h': BFLOAT16_H,
  'eight_numbers.h': inHip(EIGHT_NUMBERS_TEXT),
  'packed_weights.h': inHip(PACKED_WEIGHTS_TEXT),
  'staged_tiles.h': STAGED_TILES_H,
};
