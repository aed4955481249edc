import type { NdArray } from '../define.js';
import { reshape, sizeOf, zip } from '../nd.js';

/** Per row of the trailing dimensions: the normalised elements, the mean and 1/sqrt(variance + epsilon). */
export interface Normalised {
  readonly y: NdArray;
  readonly mean: NdArray;
  readonly inverse: NdArray;
}

/** Rows are all dimensions from `axis` on. `centre: false` gives the root-mean-square form (mean taken as 0). */
export function normalise(x: NdArray, axis: number, epsilon: number, centre: boolean): Normalised {
  const width = sizeOf(x.shape.slice(axis));
  const rows = sizeOf(x.shape.slice(0, axis));
  const y = new Float64Array(x.data.length);
  const [mean, inverse] = [new Float64Array(rows), new Float64Array(rows)];
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width);
    const m = centre ? row.reduce((a, v) => a + v, 0) / width : 0;
    const k = 1 / Math.sqrt(row.reduce((a, v) => a + (v - m) ** 2, 0) / width + epsilon);
    mean[r] = m;
    inverse[r] = k;
    for (let i = 0; i < width; i++) y[r * width + i] = (row[i]! - m) * k;
  }
  const kept = x.shape.map((dim, k) => (k < axis ? dim : 1));
  return {
    y: { shape: x.shape, data: y },
    mean: reshape(nd1(mean), kept),
    inverse: reshape(nd1(inverse), kept),
  };
}

function nd1(data: Float64Array): NdArray {
  return { shape: [data.length], data };
}

/** y * scale + bias, both broadcast. */
export function affine(y: NdArray, scale: NdArray, bias: NdArray | null | undefined): NdArray {
  const scaled = zip([y, scale], (a, s) => a! * s!);
  return bias ? zip([scaled, bias], (a, b) => a! + b!) : scaled;
}

/** x with (batch, channels, spatial...) parameters per channel. */
export function perChannel(parameter: NdArray, rank: number): NdArray {
  return reshape(parameter, [...parameter.shape, ...new Array<number>(Math.max(0, rank - 2)).fill(1)]);
}
