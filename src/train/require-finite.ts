import { diverged } from '../ir/codes/train.js';
import { countNotFinite } from '../ir/count-not-finite.js';
import { fail } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import type { Signature } from './signature.js';

/** Throws LOTR8213 when a parameter, or state of the optimizer, holds NaN or infinity; what was written before stays. */
export function requireFinite(
  { params }: Signature,
  tensors: ReadonlyMap<string, Pick<TensorData, 'dtype' | 'byteLength' | 'copyTo'>>,
  step: number,
): void {
  const parameters = new Set(params.map(({ name }) => name));
  for (const [name, data] of tensors) {
    const found = countNotFinite(data);
    if (!found) continue;
    fail(
      diverged({
        step,
        kind: parameters.has(name) ? 'parameter' : 'optimizer state',
        tensor: name,
        nan: found.nan,
        infinite: found.infinite,
        size: data.byteLength / 4,
      }),
    );
  }
}
