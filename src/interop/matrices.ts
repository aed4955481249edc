import type { Term } from '../adapter/terms.js';
import { numbersOf } from '../adapter/to-numbers/tensor.js';
import { evaluateTerm } from '../adapter/to-numbers/term.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';

/** The transpose of a floating-point matrix, or of filters as one, as float32; computed when it is read. */
export function transposedF32(matrix: TensorData): TensorData {
  const [rows, columns] = matrixExtents(matrix);
  return new ComputedTensor('f32', [columns, rows], 'transpose', () => {
    const values = toF64(matrix);
    const out = new Float32Array(values.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!;
    return new Uint8Array(out.buffer);
  });
}

/** The transpose of a term whose result is a matrix, as float32: float64 inside, rounded once. Computed when it is read. */
export function transposedTermF32(term: Term, operands: readonly TensorData[]): TensorData {
  const extents = new Map<string, number>();
  for (const [k, letters] of term.operands.entries()) {
    for (const [axis, letter] of letters.entries()) {
      const extent = operands[k]!.shape[axis];
      if (extent === undefined || (extents.get(letter) ?? extent) !== extent)
        throw new Error('the factors of an adapter do not fit together');
      extents.set(letter, extent);
    }
  }
  const [rows, columns] = term.result;
  const turned = { ...term, result: [columns!, rows!] };
  return new ComputedTensor('f32', [extents.get(columns!)!, extents.get(rows!)!], 'product', () =>
    encodeFloats('f32', evaluateTerm(turned, operands.map(numbersOf)).data),
  );
}

/** Rows and columns of a matrix; of filters (out, channels, window...) the product of all but the first are columns. */
export function matrixExtents({ shape }: TensorData): readonly [number, number] {
  const [rows, ...rest] = shape;
  if (rows === undefined || rest.length === 0) throw new Error(`[${shape.join(',')}] is not a matrix`);
  return [rows, rest.reduce((product, extent) => product * extent, 1)];
}
