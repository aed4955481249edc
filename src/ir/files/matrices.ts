import { ComputedTensor, type TensorData } from '../tensor.js';
import { encodeFloats, toF64 } from '../values.js';

/** The transpose of a floating-point matrix as float32, computed when it is read. */
export function transposedF32(matrix: TensorData): TensorData {
  const [rows, columns] = extents(matrix);
  return new ComputedTensor('f32', [columns, rows], 'transpose', () => {
    const values = toF64(matrix);
    const out = new Float32Array(values.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!;
    return new Uint8Array(out.buffer);
  });
}

/**
 * The transpose of the product of a chain of floating-point matrices as float32: float64 inside, rounded once. Computed
 * when it is read. Throws when the extents do not fit.
 */
export function transposedProductF32(chain: readonly TensorData[]): TensorData {
  const shapes = chain.map(extents);
  for (const [k, [rows]] of shapes.entries()) {
    if (k > 0 && shapes[k - 1]![1] !== rows) throw new Error('the matrices of a chain do not fit together');
  }
  const [rows, columns] = [shapes[0]![0], shapes.at(-1)![1]];
  return new ComputedTensor('f32', [columns, rows], 'product', () => {
    let current = toF64(chain[0]!);
    for (const [k, matrix] of chain.entries()) {
      if (k === 0) continue;
      const [inner, outer] = shapes[k]!;
      const values = toF64(matrix);
      const next = new Float64Array(rows * outer);
      for (let i = 0; i < rows; i++) {
        for (let p = 0; p < inner; p++) {
          const a = current[i * inner + p]!;
          for (let j = 0; j < outer; j++) next[i * outer + j]! += a * values[p * outer + j]!;
        }
      }
      current = next;
    }
    const out = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) out[j * rows + i] = current[i * columns + j]!;
    return encodeFloats('f32', out);
  });
}

function extents({ shape }: TensorData): readonly [number, number] {
  if (shape.length !== 2) throw new Error(`[${shape.join(',')}] is not a matrix`);
  return [shape[0]!, shape[1]!];
}
