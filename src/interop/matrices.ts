import type { Term } from '../adapter/terms.js';
import { numbersOf } from '../adapter/to-numbers/tensor.js';
import { evaluateTerm } from '../adapter/to-numbers/term.js';
import { transposeMatrix } from '../init/dense.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';

/** The transpose of a float32 matrix, whose own transpose is that matrix again. */
class TransposedTensor extends ComputedTensor {
  readonly source: TensorData;

  constructor(source: TensorData, rows: number, columns: number) {
    super('f32', [columns, rows], 'transpose', () => transposedBytes(source, rows, columns));
    this.source = source;
  }
}

/** The transpose of a floating-point matrix, or of filters as one, as float32; computed when it is read. */
export function transposedF32(matrix: TensorData): TensorData {
  if (matrix instanceof TransposedTensor) return matrix.source;
  const [rows, columns] = matrixExtents(matrix);
  if (matrix.dtype === 'f32' && matrix.shape.length === 2) return new TransposedTensor(matrix, rows, columns);
  return new ComputedTensor('f32', [columns, rows], 'transpose', () =>
    transposedBytes(matrix, rows, columns),
  );
}

const transposedBytes = (matrix: TensorData, rows: number, columns: number): Uint8Array =>
  encodeFloats('f32', transposeMatrix(toF64(matrix), rows, columns));

/**
 * The transpose of a term, as float32: its first letter is that of the rows, the others together those of the columns. float64 inside,
 * rounded once; computed when it is read.
 */
export function transposedTermF32(term: Term, operands: readonly TensorData[]): TensorData {
  const [only, ...rest] = operands;
  if (rest.length === 0 && term.result.length === 2 && `${term.operands[0]}` === `${term.result}`)
    return transposedF32(only!);
  const extents = new Map<string, number>();
  for (const [k, letters] of term.operands.entries())
    for (const [axis, letter] of letters.entries()) extents.set(letter, operands[k]!.shape[axis]!);
  const [first, ...others] = term.result;
  const rows = extents.get(first!)!;
  const columns = others.reduce((product, letter) => product * extents.get(letter)!, 1);
  return new ComputedTensor('f32', [columns, rows], 'product', () => {
    const { data } = evaluateTerm(term, operands.map(numbersOf));
    return encodeFloats('f32', transposeMatrix(data, rows, columns));
  });
}

/** Rows and columns of a matrix; of filters (out, channels, window...) the product of all but the first are columns. */
export function matrixExtents({ shape }: TensorData): readonly [number, number] {
  const [rows, ...rest] = shape;
  if (rows === undefined || rest.length === 0) throw new Error(`[${shape.join(',')}] is not a matrix`);
  return [rows, rest.reduce((product, extent) => product * extent, 1)];
}
