import { ggufNeeds } from '../ir/codes/gguf.js';
import { fail } from '../ir/diagnostics.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';

/**
 * The order of rows of the query and key projections of a llama. Hugging Face's rotates the two halves of a head against each other, llama.cpp
 * neighbouring pairs: row j of the first half of a head is row 2j there, and row j of the second half row 2j + 1.
 */

/** The row of llama.cpp for a row of Hugging Face. */
function interleavedRow(row: number, headSize: number): number {
  const within = row % headSize;
  const half = headSize / 2;
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

/**
 * A matrix (rows, rank) for llama.cpp or from it, times a number, as float32; computed when it is read. `headSize`: null where the
 * order is the same.
 */
export function withRows(
  matrix: TensorData,
  direction: 'to llama.cpp' | 'from llama.cpp',
  headSize: number | null,
  times = 1,
): TensorData {
  if (headSize === null && times === 1) return matrix;
  return new ComputedTensor('f32', matrix.shape, `rows ${direction}`, () => {
    const values = toF64(matrix);
    const [rows, rank] = matrix.shape as [number, number];
    const moved = new Float64Array(values.length);
    for (let row = 0; row < rows; row++) {
      const other = headSize === null ? row : interleavedRow(row, headSize);
      const [from, to] = direction === 'to llama.cpp' ? [row, other] : [other, row];
      for (let k = 0; k < rank; k++) moved[to * rank + k] = times * values[from * rank + k]!;
    }
    return encodeFloats('f32', moved);
  });
}

/** The size of a head, for a layer of so many outputs. Throws LOTR7703 where it is not known, or does not fit. */
export function headSizeOf(
  file: string,
  layer: string,
  outputs: number,
  headSize: number | undefined,
): number {
  const needs = (why: string): never => fail(ggufNeeds({ file, why, option: '--head-size' }));
  if (headSize === undefined)
    return needs(
      `llama.cpp has the rows of "${layer}" in another order within each head, whose size is not known`,
    );
  if (headSize % 2 !== 0 || outputs % headSize !== 0)
    return needs(`"${layer}" has ${outputs} outputs, which are not heads of ${headSize} with two halves`);
  return headSize;
}
