import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { noise } from './ort.js';

/** Writes an adapter file of float32 again, with numbers that are not zero: tensor k has those of `seed` + k, times `by`. */
export function writeNoisy(from: string, to: string, seed: number, by = 1): void {
  const { tensors, metadata } = readSafetensors(from);
  const made = [...tensors].map(([key, { shape, byteLength }], k) => {
    const values = noise(byteLength / 4, seed + k).map((value) => by * value);
    return [key, f32Tensor(shape, values)] as const;
  });
  writeSafetensors(to, new Map(made), metadata);
}
